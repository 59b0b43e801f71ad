"""Real work: parse every file of Python's standard library, and find the longest functions.

Run it: ``python parse_stdlib.py [--start-method METHOD] [--files N]``

The whole parallel part is two lines: make a pool, and loop over what comes back.
"""

import argparse
import ast
import sysconfig
import time
import warnings
from pathlib import Path

import procession as multiprocessing


def measure(path):
    """Return (lines, [(length, name, file), ...]) of one source file."""
    source = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError):  # some of the library's tests are wrong on purpose
        return source.count(b"\n"), []
    functions = [
        (node.end_lineno - node.lineno + 1, node.name, path.name)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return source.count(b"\n"), functions


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--files", type=int, help="only the first so many")
    options = parser.parse_args()
    if options.start_method:
        multiprocessing.set_start_method(options.start_method)

    library = Path(sysconfig.get_path("stdlib"))
    paths = sorted(p for p in library.rglob("*.py") if "site-packages" not in p.parts)
    paths = paths[: options.files]

    started = time.perf_counter()
    lines, functions = 0, []
    with multiprocessing.Pool() as pool:
        for file_lines, file_functions in pool.imap_unordered(measure, paths):
            lines += file_lines
            functions += file_functions
    elapsed = time.perf_counter() - started

    print(f"{len(paths)} files, {lines} lines, {len(functions)} functions in {elapsed:.2f} s")
    for length, name, file in sorted(functions, reverse=True)[:5]:
        print(f"{length:5} lines  {name} ({file})")


if __name__ == "__main__":
    main()
