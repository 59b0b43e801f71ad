"""A program: run the code cells of a notebook, one after the other, as ``__main__``.

``python run_notebook.py tour.ipynb``; before each cell's output stands a line of its own.
It takes the place of Jupyter where that is not installed.
"""

import json
import sys
from pathlib import Path

MARK = "%% cell"

if __name__ == "__main__":
    cells = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            print(MARK)
            exec(compile("".join(cell["source"]), "<cell>", "exec"), globals())  # noqa: S102
