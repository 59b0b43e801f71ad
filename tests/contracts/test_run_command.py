"""``python -m procession run``: an unmodified program runs on procession, so do its children."""

from __future__ import annotations

import zipfile
from pathlib import Path
from textwrap import dedent

import pytest

import procession
from tests.programs import Outcome, run_program

METHODS = pytest.mark.parametrize("method", procession.get_all_start_methods())

PROGRAM = """
import importlib
import sys
import multiprocessing
import multiprocessing.pool
import multiprocessing.managers as managers
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Lock, Pool, Process, Queue, Value, get_context
from multiprocessing.connection import Client, Listener, wait
from multiprocessing.dummy import Pool as Threads

def whose():
    import multiprocessing as late
    return {type(late.get_context()).__module__, late.get_context().Queue().__class__.__module__,
            multiprocessing.pool.Pool.__module__}

def grandchild(queue):
    queue.put(("grandchild", sorted(whose())))

def child(queue, method):
    process = multiprocessing.get_context(method).Process(target=grandchild, args=(queue,))
    process.start()
    process.join()
    queue.put(("child", sorted(whose())))

def square(number):
    return number * number

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    print(sys.argv[1:], sorted(whose()))
    queue = Queue()
    process = Process(target=child, args=(queue, sys.argv[1]))
    process.start()
    print(queue.get(timeout=30))
    print(queue.get(timeout=30))
    process.join()
    with Pool(2) as pool:
        print(type(pool).__module__, pool.map(square, range(3)))
    with ProcessPoolExecutor(2) as executor:
        print(list(executor.map(square, range(3))))
    with multiprocessing.Manager() as manager:
        print(dict(manager.dict(a=1)))
    with Threads(2) as threads:
        print(threads.map(square, [3]))
    print(importlib.import_module("multiprocessing.queues").Queue is type(queue))
    sys.exit(7)
"""


def run(folder: Path, *arguments: str) -> Outcome:
    """Run ``python -m procession run`` with these arguments."""
    return run_program(["-m", "procession", "run", *arguments], cwd=folder, check=False)


@METHODS
def test_a_program_of_multiprocessing_finds_procession_everywhere(
    method: str, tmp_path: Path
) -> None:
    """In itself, its child and its grandchild, in every form of import; arguments and exit code."""
    (tmp_path / "program.py").write_text(PROGRAM)

    outcome = run(tmp_path, "program.py", method, "--flag", "-m")
    first, *lines = outcome.stdout.splitlines()

    assert outcome.stderr == ""
    assert outcome.returncode == 7
    assert first.startswith(f"['{method}', '--flag', '-m'] [")
    ours = first[first.index("] [") + 2 :]
    assert "multiprocessing" not in ours
    assert lines[:2] == [f"('grandchild', {ours})", f"('child', {ours})"]
    assert lines[2:] == [
        "procession.pool [0, 1, 4]",
        "[0, 1, 4]",
        "{'a': 1}",
        "[9]",
        "True",
    ]


def test_a_module_is_run_as_python_runs_it(tmp_path: Path) -> None:
    """``-m``: found in the working folder, ``__main__`` with its name, its own arguments."""
    (tmp_path / "program.py").write_text(
        "import sys, multiprocessing as mp\n"
        "print(__name__, __spec__.name, sys.argv[1:], mp.get_context().__class__.__module__)\n"
    )

    outcome = run(tmp_path, "-m", "program", "-x", "1")

    assert (outcome.stdout, outcome.stderr) == (
        "__main__ program ['-x', '1'] procession.context\n",
        "",
    )


def test_code_is_run_as_python_runs_it(tmp_path: Path) -> None:
    """``-c``: its arguments, and functions of it in processes."""
    code = (
        "import sys, multiprocessing as mp\n"
        "def say(word): print(word, flush=True)\n"
        "p = mp.get_context('spawn').Process(target=say, args=(sys.argv,))\n"
        "p.start(); p.join()\n"
    )

    assert run(tmp_path, "-c", code, "a", "-b").stdout == "['-c', 'a', '-b']\n"


def test_a_folder_is_run_as_python_runs_it(tmp_path: Path) -> None:
    """A folder with a ``__main__.py`` is a program."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "part.py").write_text("WORD = 'found'\n")
    (tmp_path / "app" / "__main__.py").write_text("import part; print(part.WORD)\n")

    assert run(tmp_path, "app").stdout == "found\n"


def test_the_traceback_is_the_program_s_own(tmp_path: Path) -> None:
    """As python prints it: no frame of ours, and exit code 1."""
    source = """
        def fail():
            raise ValueError("of the program")

        fail()
    """
    (tmp_path / "program.py").write_text(dedent(source))
    expected = run_program(["program.py"], cwd=tmp_path, check=False)

    outcome = run(tmp_path, "program.py")

    assert outcome.returncode == expected.returncode == 1
    assert outcome.stderr == expected.stderr


@pytest.mark.parametrize("arguments", [(), ("missing.py",)])
def test_nothing_to_run_is_said_in_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2, as python's own."""
    outcome = run(tmp_path, *arguments)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("procession run: ")
    assert outcome.stderr.count("\n") == 1


def test_the_standard_library_is_not_touched(tmp_path: Path) -> None:
    """The modules that were there keep every name; only ``sys.modules`` says otherwise."""
    code = (
        "import multiprocessing.context as before, multiprocessing, sys\n"
        "names = dict(vars(before))\n"
        "from procession._engine.cli.stand_in import install\n"
        "install()\n"
        "import multiprocessing.context as after\n"
        "print(after is not before, vars(before) == names,"
        " after._force_start_method is before._force_start_method)\n"
    )

    assert run_program(["-c", code], cwd=tmp_path).stdout == "True True True\n"


def test_the_commentary_tells_what_is_done(tmp_path: Path) -> None:
    """PROCESSION_DEBUG=1: transport, starts, ends and what goes by value, each with a pid."""
    code = (
        "import multiprocessing as mp\n"
        "p = mp.get_context('spawn').Process(target=lambda: None, name='worker')\n"
        "p.start(); p.join(); print(p.pid)\n"
    )

    outcome = run_program(
        ["-m", "procession", "run", "-c", code], cwd=tmp_path, env={"PROCESSION_DEBUG": "1"}
    )
    pid = outcome.stdout.strip()

    assert all(line.startswith("procession[") for line in outcome.stderr.splitlines())
    assert ", transport " in outcome.stderr
    assert "procession stands in the place of multiprocessing" in outcome.stderr
    assert "its code goes by value" in outcome.stderr
    assert f"started worker, pid {pid}, by spawn" in outcome.stderr
    assert f"the process with pid {pid} has ended: exit code 0" in outcome.stderr


RETURNING = """
import multiprocessing
import sys

class Record:
    pass

def make(_):
    return Record()

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(isinstance(pool.map(make, [1])[0], Record))
"""


@METHODS
@pytest.mark.parametrize("form", ["program.py", "-m program", "-m package", "package", "part.zip"])
def test_objects_of_the_main_module_come_back(method: str, form: str, tmp_path: Path) -> None:
    """A child knows its classes as those of ``__mp_main__``: here, too, that is the program."""
    (tmp_path / "program.py").write_text(RETURNING)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(RETURNING)
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
        archive.writestr("__main__.py", RETURNING)

    outcome = run(tmp_path, *form.split(), method)

    assert (outcome.stdout, outcome.stderr) == ("True\n", "")


def test_a_missing_module_is_said_as_python_says_it(tmp_path: Path) -> None:
    """In one line, exit code 1."""
    expected = run_program(["-m", "missing"], cwd=tmp_path, check=False)

    outcome = run(tmp_path, "-m", "missing")

    assert outcome == expected


def test_what_stands_in_for_a_module_is_pickled_by_name(tmp_path: Path) -> None:
    """By cloudpickle (Ray, Dask) and copy, as any module, and so are our doors."""
    code = (
        "import copy, cloudpickle, multiprocessing, multiprocessing.connection as connection\n"
        "import procession.process\n"
        "for module in (multiprocessing, connection, procession.process):\n"
        "    print(cloudpickle.loads(cloudpickle.dumps(module)) is module is copy.copy(module))\n"
    )

    assert run(tmp_path, "-c", code).stdout == "True\nTrue\nTrue\n"


def test_a_start_method_that_a_library_adds_is_found(tmp_path: Path) -> None:
    """Loky adds its own, in the place where the standard library looks."""
    code = (
        "import multiprocessing, multiprocessing.context as context\n"
        "class Own(context.SpawnContext): _name = 'own'\n"
        "own = context._concrete_contexts['own'] = Own()\n"
        "multiprocessing.set_start_method('own')\n"
        "print(multiprocessing.get_context('own') is own is multiprocessing.get_context())\n"
    )

    assert run(tmp_path, "-c", code).stdout == "True\n"


def test_loky_finds_the_standard_library(tmp_path: Path) -> None:
    """It is made of the insides of the standard queues; all others find ours."""
    for package in ("loky", "lokyish"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "queues.py").write_text(
            "import multiprocessing\nfrom multiprocessing.queues import Queue\n"
            "MODULES = (Queue.__module__, multiprocessing.get_context().__module__)\n"
            "OURS = [module.startswith('procession') for module in MODULES]\n"
        )
    code = "import loky.queues, lokyish.queues; print(loky.queues.OURS, lokyish.queues.OURS)"

    assert run(tmp_path, "-c", code).stdout == "[False, False] [True, True]\n"
