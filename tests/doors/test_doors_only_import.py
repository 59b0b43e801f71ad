"""A door imports and lists names, and does nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import procession

PACKAGE = Path(procession.__file__).parent
DOORS = sorted(
    path.relative_to(PACKAGE)
    for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("dummy/*.py"), *PACKAGE.glob("joblib/*.py")]
    if path.name != "__main__.py"
)
KINDS = ("Door, ours:", "Door, adapted:", "Door, passed through:")
FACE = Path("__init__.py")
LONGEST = 60
ALLOWED = (ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign, ast.Expr, ast.If)


def tree(door: Path) -> ast.Module:
    """Return the parsed source of a door."""
    return ast.parse((PACKAGE / door).read_text(encoding="utf-8"))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_door_says_its_kind(door: Path) -> None:
    """The docstring begins with the kind of the door; that of the package says what it is."""
    text = ast.get_docstring(tree(door)) or ""
    if door == FACE:
        assert "Door, ours." in text
    else:
        assert text.startswith(KINDS)


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_door_has_no_code(door: Path) -> None:
    """No function, no class, no loop: imports, lists, and the fallback."""
    for node in ast.walk(tree(door)):
        assert not isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For)
        )
    for statement in tree(door).body:
        assert isinstance(statement, ALLOWED)


@pytest.mark.parametrize("door", [door for door in DOORS if door != FACE], ids=str)
def test_door_is_short(door: Path) -> None:
    """A door fits on a screen."""
    assert len((PACKAGE / door).read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_nothing_inside_imports_a_door() -> None:
    """The engine never depends on the names that are made from it.

    The command line is no part of this: it runs programs, which import what users import.
    """
    inside = PACKAGE / "_engine"
    for path in set(inside.rglob("*.py")) - set((inside / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("procession"):
                assert (node.module or "").startswith("procession._"), f"{path}: {node.module}"
