"""The guides' examples and the example application's suite, run by a pytest of their own, with the plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST"))}

# Where the package is installed pytest finds the plugin by itself, and must not be told of it once more.
INSTALLED = any(point.name == "awning" for point in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "awning.testing.plugin")


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", *arguments],
        cwd=cwd,
        env={**CLEAN, "PYTHONPATH": f"{ROOT}:{ROOT / 'examples' / 'orders'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_example_suite_passes(workers: str) -> None:
    said = run("-n", workers, "--rootdir", "examples/orders", "examples/orders/tests", cwd=ROOT)
    assert "5 passed" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["testing", "from-moto-or-a-container"])
def test_the_guides_examples_pass(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guides" / f"{name}.md").read_text(), re.DOTALL)
    suite = [block for block in blocks if "def test_" in block]
    assert suite
    (tmp_path / "test_guide.py").write_text("\n\n".join(suite))
    run("--rootdir", str(tmp_path), "test_guide.py", cwd=tmp_path)
    for number, block in enumerate(block for block in blocks if block not in suite and "pytest_configure" not in block):
        script = tmp_path / f"script_{number}.py"
        script.write_text(block)
        subprocess.run([sys.executable, str(script)], env={**CLEAN, "PYTHONPATH": str(ROOT)}, check=True, timeout=60)


@pytest.mark.slow
def test_one_region_for_all_workers_as_the_guide_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guides" / "testing.md").read_text(), re.DOTALL)
    (tmp_path / "conftest.py").write_text(next(block for block in blocks if "pytest_configure" in block))
    (tmp_path / "test_shared.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_it(s3, n):\n"
        "    s3.create_bucket(Bucket=f'bucket-{n}')\n"
        "    assert f'bucket-{n}' in [bucket['Name'] for bucket in s3.list_buckets()['Buckets']]\n"
    )
    assert "6 passed" in run("-n", "2", "--rootdir", str(tmp_path), cwd=tmp_path)
