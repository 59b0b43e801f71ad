"""Print the files that make up the Python package, one a line, for src/meson.build.

Whatever lies below ``src/procession`` belongs to the package, except what a build
or an interpreter left there (byte code, extension modules put in place by
``make develop``) and hidden files.
"""

from __future__ import annotations

import sys
from pathlib import Path

LEFT_BY_BUILDS = {".pyc", ".pyo", ".so", ".pyd", ".swp", ".orig", ".rej"}


def is_part_of_package(path: Path) -> bool:
    """Tell whether a path, relative to the source folder, is to be installed."""
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and "__pycache__" not in path.parts and path.suffix not in LEFT_BY_BUILDS


def package_files(source_folder: Path) -> list[str]:
    """Return the package's files relative to ``source_folder``, sorted."""
    found = (path for path in (source_folder / "procession").rglob("*") if path.is_file())
    relative = (path.relative_to(source_folder) for path in found)
    return sorted(path.as_posix() for path in relative if is_part_of_package(path))


def main(arguments: list[str]) -> int:
    """Print the list for the source folder named by the first argument."""
    if len(arguments) != 2:
        print("usage: package_files.py SOURCE_FOLDER", file=sys.stderr)
        return 2
    print("\n".join(package_files(Path(arguments[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
