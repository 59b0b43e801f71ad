"""The notebook is sound, and running it gives the outputs that are stored in it."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.run_notebook import MARK

if TYPE_CHECKING:
    from tests.examples.conftest import RunPython

WITH_JUPYTER = all(importlib.util.find_spec(name) for name in ("nbclient", "ipykernel"))

# How the notebook chooses its start method, as the file spells it.
FORK = r"procession.set_start_method(\"fork\")"

# Executes a notebook in a kernel of Jupyter's and prints it.
JUPYTER = (
    "import sys, nbformat\n"
    "from nbclient import NotebookClient\n"
    "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
    "print(nbformat.writes(NotebookClient(notebook, timeout=60).execute()))\n"
)


@pytest.fixture(scope="module")
def path() -> Path:
    """Return the notebook's path."""
    return Path(__file__).parents[2] / "examples" / "tour.ipynb"


@pytest.fixture(scope="module")
def notebook(path: Path) -> dict[str, Any]:
    """Return the stored notebook."""
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return stored


def printed(notebook: dict[str, Any]) -> list[str]:
    """Return what each code cell has printed, with every pid made the same."""
    texts = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            pieces = ["".join(output.get("text", "")) for output in cell["outputs"]]
            texts.append(same_pids("".join(pieces)))
    return texts


def same_pids(text: str) -> str:
    """Return a text in which all process ids are equal."""
    return re.sub(r"\bpid \d+", "pid N", text)


def test_stored_notebook_is_version_4_with_outputs(notebook: dict[str, Any]) -> None:
    """Every code cell has been run, in order, and none ended with an error."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert notebook["nbformat"] == 4
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds == {"stream"}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_running_the_cells_prints_what_is_stored(
    run_python: RunPython, path: Path, notebook: dict[str, Any], tmp_path: Path, method: str
) -> None:
    """Under each start method the cells print, but for the pids, the stored outputs."""
    told = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    assert FORK in text
    told.write_text(text.replace(FORK, FORK.replace("fork", method)), encoding="utf-8")
    # As in a kernel there is no file that children could import the cells from.
    runner = Path(__file__).with_name("run_notebook.py").read_text(encoding="utf-8")

    outcome = run_python("-c", runner, told)

    assert outcome.stderr == ""
    fresh = [same_pids(text) for text in outcome.stdout.split(MARK + "\n")[1:]]
    assert fresh == printed(notebook)


if WITH_JUPYTER:

    def test_jupyter_prints_what_is_stored(
        run_python: RunPython, path: Path, notebook: dict[str, Any]
    ) -> None:
        """In a kernel of Jupyter's the same holds; the test exists where Jupyter does."""
        outcome = run_python("-c", JUPYTER, path)

        assert printed(json.loads(outcome.stdout)) == printed(notebook)
