"""The map of ARCHITECTURE.md, held against every import of the package, those inside functions too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import awning

PACKAGE = Path(awning.__file__).parent

# What each part may import, beside itself. Higher parts first.
BELOW = {
    "__main__": {"cli"},
    "testing": {"cli", ""},
    "cli": {"region", "gateway", "console", "kit", "contracts", "auth", "protocols", "store", "net", "engines", ""},
    "region": {
        "gateway",
        "console",
        "services",
        "kit",
        "contracts",
        "auth",
        "protocols",
        "store",
        "net",
        "engines",
        "",
    },
    "gateway": {"kit", "contracts", "auth", "protocols", "store", "net", ""},
    "console": {"kit", "contracts", "auth", "protocols", "store", "net", ""},
    "services": {"kit", "contracts", "auth", "protocols", "store", "net", "engines", ""},
    "kit": {"contracts", "auth", "protocols", "store", "net", "engines", ""},
    "contracts": {"auth"},
    "auth": {"net"},
    "protocols": {"net"},
    "store": set[str](),
    "net": set[str](),
    "engines": set[str](),
    "": set[str](),
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield line and dotted parts (without `awning`) of each import of the package in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "awning" or name.startswith("awning."):
                yield node.lineno, tuple(name.split(".")[1:])


def part(module: tuple[str, ...]) -> str:
    return module[0] if module and module[0] in BELOW else ""


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards_only(path: Path) -> None:
    own = part(module_of(path))
    wrong = [
        f"{path.name}:{line} imports {'.'.join(target)}"
        for line, target in imports(path)
        if part(target) != own and part(target) not in BELOW[own]
    ]
    assert not wrong


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "services").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_room_imports_another(path: Path) -> None:
    own = module_of(path)[:2]
    wrong = [
        f"{path.name}:{line} imports {'.'.join(target)}"
        for line, target in imports(path)
        if target[:1] == ("services",) and len(target) > 1 and target[:2] != own
    ]
    assert not wrong


def test_the_reader_of_imports_sees_those_inside_functions(tmp_path: Path) -> None:
    file = tmp_path / "room.py"
    file.write_text("def late():\n    from awning.services import s3\n")
    assert list(imports(file)) == [(2, ("services", "s3"))]
