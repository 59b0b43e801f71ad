"""A notebook in a kernel of Jupyter's: code of cells goes to children and comes back as itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import procession
from tests.programs import run_program

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in ("nbclient", "ipykernel")),
        reason="nbclient and ipykernel are not installed here",
    ),
]

# Its cells, in the notation of editors.
CELLS = """\
import procession as multiprocessing
from concurrent.futures import ProcessPoolExecutor
from procession import Manager, Pool, Process, Queue
multiprocessing.set_start_method('METHOD')
class Point:
    def __init__(self, x):
        self.x = x
def made(x):
    return Point(x + 1)
def say(x):
    # In one piece: a kernel gives the pieces of a child's line no order.
    print(f'child says {x}\\n', end='', flush=True)
pool = Pool(2)
# %%
points = pool.map(made, range(3))
print([type(point) is Point for point in points], [point.x for point in points])
print(pool.map(lambda x: x * 10, range(3)))
# %%
def made(x):
    return Point(x + 100)
print([point.x for point in pool.map(made, range(2))])
# %%
process = Process(target=say, args=(7,))
process.start()
process.join()
print(process.exitcode)
# %%
class Worker(Process):
    def __init__(self, queue):
        super().__init__()
        self.queue = queue
    def run(self):
        self.queue.put(Point(5))
worker = Worker(Queue())
worker.start()
worker.join()
print(type(worker.queue.get()) is Point)
# %%
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context()) as executor:
    print(executor.submit(made, 1).result().x)
# %%
with Manager() as manager:
    shared = manager.dict()
    process = Process(target=lambda: shared.update(a=Point(3)))
    process.start()
    process.join()
    print(type(shared['a']) is Point)
# %%
pool.close()
pool.join()
print('done')
"""

PRINTED = [
    "",
    "[True, True, True] [1, 2, 3]\n[0, 10, 20]\n",
    "[100, 101]\n",
    "0\nchild says 7\n",
    "True\n",
    "101\n",
    "True\n",
    "done\n",
]

# Executes a notebook, in its file; a kernel's own output has what children print, too.
RUN = (
    "import os, sys, nbformat\n"
    "os.environ.pop('PYTEST_CURRENT_TEST', None)  # in tests, kernels leave descriptors alone\n"
    "from nbclient import NotebookClient\n"
    "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
    "nbformat.write(NotebookClient(notebook, timeout=60).execute(), sys.argv[1])\n"
)


def _cell(source: str) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }


@pytest.mark.parametrize("method", procession.get_all_start_methods())
def test_cells_of_a_notebook_run_in_children(method: str, tmp_path: Path) -> None:
    """Classes keep their identity, a changed function counts, prints stand in their cell."""
    cells = [_cell(source) for source in CELLS.replace("METHOD", method).split("# %%\n")]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    path = tmp_path / "cells.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")

    run_program(["-W", "ignore", "-c", RUN, str(path)], cwd=tmp_path, timeout=200)

    ran = json.loads(path.read_text(encoding="utf-8"))["cells"]
    said = ["".join("".join(each.get("text", "")) for each in cell["outputs"]) for cell in ran]
    assert ["".join(sorted(text.splitlines(keepends=True))) for text in said] == [
        "".join(sorted(text.splitlines(keepends=True))) for text in PRINTED
    ]
