"""Sphinx's parallel reading and writing: ForkProcess, a pipe for each, targets that no pickler takes.

Needs: sphinx
"""

import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import main as build
from sphinx.util.parallel import ParallelTasks


def main(method):
    gathered = []
    tasks = ParallelTasks(3)
    for number in range(12):
        tasks.add_task(lambda n: n * n, number, lambda argument, result: gathered.append(result))
    tasks.join()
    assert sorted(gathered) == [n * n for n in range(12)], gathered
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "conf.py").write_text("project = 'many'\n")
        names = [f"page{n}" for n in range(20)]
        toc = "\n".join(f"   {name}" for name in names)
        (source / "index.rst").write_text(f"Pages\n=====\n\n.. toctree::\n\n{toc}\n")
        for name in names:
            (source / f"{name}.rst").write_text(f"{name}\n{'=' * len(name)}\n\nText of {name}.\n")
        assert build(["-q", "-j", "2", "-b", "html", folder, str(source / "out")]) == 0
        assert "Text of page7" in (source / "out" / "page7.html").read_text()


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
