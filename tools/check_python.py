"""Check the Python sources for the rules that linters do not know.

- ``_engine/native.py`` alone imports the extension module, and knows the digest of its stub.
- Nothing imports ``typing`` when it runs.
- No file and no function of the package grows too long.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "procession"
EXTENSION = "procession._native"
STUB = PACKAGE / "_native.pyi"
IMPORTER = PACKAGE / "_engine" / "native.py"

LONGEST_FILE = 600  # 400 is the aim
LONGEST_FUNCTION = 60


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, full name) of everything that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def check_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the imports of the extension, unless the file may have them."""
    if path == IMPORTER:
        return
    for line, name in imported_names(tree):
        if name == EXTENSION:
            yield f"{path}:{line}: imports {EXTENSION}; import procession._engine.native"


def check_typing(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the imports of typing that are executed."""
    for statement in tree.body:
        is_for_checkers = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(
            statement.test
        )
        if not is_for_checkers:
            for line, name in imported_names(ast.Module([statement], [])):
                if name == "typing":
                    yield f"{path}:{line}: imports typing; do so under `if TYPE_CHECKING:`"


def check_interface() -> Iterator[str]:
    """Yield a complaint if the digest in the importer is not that of the stub as it is."""
    digest = hashlib.sha256(STUB.read_bytes()).hexdigest()[:12]
    if f'\n_INTERFACE = "{digest}"\n' not in IMPORTER.read_text(encoding="utf-8"):
        yield f'{IMPORTER}: {STUB.name} has changed; write _INTERFACE = "{digest}" and build anew'


def check_sizes(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    """Yield what is too long in one file."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{path}: has {lines} lines, more than {LONGEST_FILE}; split it by subject"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines"


def complaints() -> Iterator[str]:
    """Yield every broken rule, as a sentence with file and line."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(path))
        yield from check_imports(path, tree)
        yield from check_typing(path, tree)
        yield from check_sizes(path, text, tree)
    yield from check_interface()


def main() -> int:
    """Print the complaints; return 1 if there are any."""
    found = list(complaints())
    print("\n".join(found) if found else "Python sources keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
