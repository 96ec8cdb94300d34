"""The code's own tidiness: sizes, openings, and what must not stand in it. The numbers may only get stricter."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST_FILE = 600
LONGEST_FUNCTION = 70
LONGEST_OPERATION = 60
"""Lines of an operation's body: its parameters are the model's, and as many as there are."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


PYTHON = [path for path in tracked("*.py") if path.stat().st_size]
PACKAGE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] == "awning"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    long = [
        f"{function.name}: {lines} lines" for function in functions(ast.parse(text)) if (lines := too_long(function))
    ]
    assert not long


def too_long(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function that has too many, else 0."""
    assert function.end_lineno is not None
    is_operation = any(
        isinstance(by, ast.Call) and ast.unparse(by.func) == "operation" for by in function.decorator_list
    )
    lines = function.end_lineno - (function.body[0].lineno if is_operation else function.lineno) + 1
    return lines if lines > (LONGEST_OPERATION if is_operation else LONGEST_FUNCTION) else 0


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_each_file_opens_with_its_role(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "say what this file is for in its first lines"


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_no_error_is_swallowed(path: Path) -> None:
    swallowed = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert not swallowed


@pytest.mark.parametrize("path", [path for path in PACKAGE if "services" in path.parts], ids=name)
def test_rooms_keep_no_state_in_modules_and_read_no_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    mutable = [
        node.lineno
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Dict | ast.List | ast.Set)
        and not node.value.__dict__.get("elts", node.value.__dict__.get("keys"))
    ]
    assert not mutable, "an empty container at module level is state in the making"
    clocks = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("time", "time"), ("datetime", "now"), ("random", "random"), ("uuid", "uuid4")}
    ]
    assert not clocks, "time is call.now, randomness call.random()"


@pytest.mark.parametrize("path", tracked("*.py", "*.md", "*.toml", "Makefile", "*.sh", ".ci/run", "*.mjs"), ids=name)
def test_nothing_names_a_machine_of_somebody(path: Path) -> None:
    text = path.read_text()
    homes = re.findall(r"(?<![\w.])/(?:home|Users|root|work)/[\w.-]+", text)
    assert not homes


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_no_group_of_an_expression_is_possessive(path: Path) -> None:
    """Python before 3.11.5, Debian 12's among them, forgets to go back after a group with a possessive quantifier failed
    half-way, and so accepts what it must not. Quantifiers on single characters are sound."""
    assert not re.findall(r"\)(?:[*+?]|\{[\d,]+\})\+", path.read_text())
