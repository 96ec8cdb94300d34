# Every target does its own set-up; `make setup` is what they share.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.stamp

.PHONY: up test setup check fast slow bench soak clean docs

up: $(STAMP)
	$(VENV)/bin/awning up $(ARGS)

setup: $(STAMP)
	@bash tools/setup-system.sh
	@bash tools/setup-clients.sh $(VENV)

$(STAMP): pyproject.toml tools/setup-venv.sh
	@bash tools/setup-venv.sh $(VENV)
	@touch $(STAMP)

test: setup check fast slow

check: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PYTHON) -m tools.coverage_page --check
	$(PYTHON) -m tools.models --check

fast: $(STAMP)
	$(PYTHON) -m pytest -m "not slow and not soak" -n 2

slow: $(STAMP)
	$(PYTHON) -m pytest -m "slow" -n 2

bench: setup
	$(PYTHON) -m bench $(ARGS)

soak: setup
	$(PYTHON) -m bench.backlog
	$(PYTHON) -m pytest -m "soak" $(ARGS)

docs: $(STAMP)
	$(PYTHON) -m tools.coverage_page

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
