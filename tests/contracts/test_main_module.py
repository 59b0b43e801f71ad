"""Programs of every form start processes by every method, with and without the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

import procession
from tests.programs import Outcome, run_program

METHODS = pytest.mark.parametrize("method", procession.get_all_start_methods())

UNGUARDED = """
import os, sys
from functools import partial
from concurrent.futures import ProcessPoolExecutor
import procession

print("the work begins", flush=True)
context = procession.get_context({method!r})
FACTOR = 3

class Box:
    def __init__(self, value):
        self.value = value

    def scaled(self):
        return Box(self.value * FACTOR)

def scale(box, offset=0):
    return Box(box.value * FACTOR + offset)

def put(queue, box):
    queue.put((os.getpid(), scale(box)))

queue = context.Queue()
queue.put(Box(1))
process = context.Process(target=lambda: put(queue, queue.get()))
process.start()
process.join()
pid, box = queue.get(timeout=30)
print("process", pid != os.getpid(), box.value, type(box) is Box)

with context.Pool(2) as pool:
    offset = 10
    print("lambda", pool.map(lambda number: number * FACTOR + offset, range(3)))
    print("method", [box.value for box in pool.map(Box.scaled, [Box(1), Box(2)])])
    print("partial", pool.apply(partial(scale, offset=1), (Box(2),)).value)
    print("class", [type(box) is Box for box in pool.map(Box, [1])])

with ProcessPoolExecutor(2, mp_context=context) as executor:
    print("executor", [box.value for box in executor.map(scale, [Box(1), Box(2)])])
    print("executor", executor.submit(lambda: FACTOR).result())
"""

EXPECTED = """\
the work begins
process True 3 True
lambda [10, 13, 16]
method [3, 6]
partial 7
class [True]
executor [3, 6]
executor 3
"""


def run_file(folder: Path, source: str) -> Outcome:
    """Run it as ``python program.py``."""
    (folder / "program.py").write_text(source)
    return run_program(["program.py"], cwd=folder)


def run_module(folder: Path, source: str) -> Outcome:
    """Run it as ``python -m program``."""
    (folder / "program.py").write_text(source)
    return run_program(["-m", "program"], cwd=folder)


def run_package(folder: Path, source: str) -> Outcome:
    """Run it as ``python -m package``, the ``__main__.py`` of a package."""
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "__main__.py").write_text(source)
    return run_program(["-m", "package"], cwd=folder)


def run_command(folder: Path, source: str) -> Outcome:
    """Run it as ``python -c code``."""
    return run_program(["-c", source], cwd=folder)


def run_input(folder: Path, source: str) -> Outcome:
    """Run it as ``python < program.py``."""
    return run_program([], cwd=folder, stdin=source)


FORMS = pytest.mark.parametrize(
    "run", [run_file, run_module, run_package, run_command, run_input], ids=lambda run: run.__name__
)


@METHODS
@FORMS
def test_a_program_without_the_guard_does_its_work_once(
    run: Callable[[Path, str], Outcome], method: str, tmp_path: Path
) -> None:
    """Whatever its form: functions, lambdas, methods and classes of it reach the children."""
    outcome = run(tmp_path, UNGUARDED.format(method=method))

    assert outcome.stderr == ""
    assert outcome.stdout == EXPECTED


GUARDED = """
import sys
import procession

print("imported as", __name__, flush=True)

class Box:
    pass

def is_the_module_s_own(kind):
    return kind is Box and sys.modules["__main__"].Box is Box and __name__

if __name__ == "__main__":
    with procession.get_context({method!r}).Pool(1) as pool:
        print(pool.apply(is_the_module_s_own, (Box,)))
"""


@pytest.mark.parametrize("run", [run_file, run_module], ids=lambda run: run.__name__)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_guarded_program_is_imported_by_its_children(
    run: Callable[[Path, str], Outcome], method: str, tmp_path: Path
) -> None:
    """As ever: under the name ``__mp_main__``, and what is in it travels by reference."""
    lines = run(tmp_path, GUARDED.format(method=method)).stdout.splitlines()

    assert lines == ["imported as __main__", "imported as __mp_main__", "__mp_main__"]


def test_a_forked_child_of_a_plain_script_finds_objects_by_reference(tmp_path: Path) -> None:
    """Without the guard, too: a fork has the main module, and its globals are the parent's."""
    source = """
        import procession
        class Box: pass
        ONE = Box()
        def same(kind): return kind is type(ONE)
        with procession.get_context("fork").Pool(1) as pool:
            print(pool.apply(same, (Box,)))
    """

    assert run_file(tmp_path, dedent(source)).stdout == "True\n"


def test_a_fork_needs_no_main_module(tmp_path: Path) -> None:
    """Programs that embed Python may have none, or have taken it away."""
    source = """
        import sys
        import procession
        main = sys.modules.pop("__main__")
        process = procession.get_context("fork").Process(target=print, args=("told",))
        process.start()
        process.join()
        print(process.exitcode)
    """

    assert run_file(tmp_path, dedent(source)).stdout == "told\n0\n"


CELLS = [
    """
    import procession, enum
    context = procession.get_context({method!r})
    class Box:
        made = 0
        def __init__(self, value): self.value = value
    class Colour(enum.Enum):
        RED = 1
    class Trouble(Exception): pass
    state = None
    numbers = list(range(3))
    def helper(number): return number + 1
    def work(box):
        Box.made += 1
        return Box(helper(box.value))
    def begin(value):
        global state
        state = value
    def look(_): return state
    def fail(): raise Trouble("in the cell")
    pool = context.Pool(1)
    """,
    "(box,) = pool.map(work, [Box(1)]); print(box.value, type(box) is Box, Box.made)",
    "def helper(number): return number + 100\nprint(pool.map(work, [Box(1)])[0].value)",
    "def late(): return numbers\nprint(pool.apply(late), pool.apply(lambda c: c, (Colour.RED,)))",
    "print(pool.apply(lambda c: c, (Colour.RED,)) is Colour.RED)",
    """
    with context.Pool(1, begin, (5,)) as other:
        print(other.map(look, [0, 0]))
    """,
    """
    try:
        pool.apply(fail)
    except Trouble as error:
        print("caught", error.args)
    """,
    """
    queue = context.Queue()
    class Later(Box): pass
    process = context.Process(target=lambda: queue.put(Later(7)))
    process.start()
    print(type(queue.get(timeout=30)) is Later)
    process.join()
    pool.terminate()
    pool.join()
    """,
]

SHOWN = """\
2 True 0
101
[0, 1, 2] Colour.RED
True
[5, 5]
caught ('in the cell',)
True
"""

SESSION = """
import code, json, sys, types
cells = json.loads(sys.argv[1])
sys.argv = ["kernel"]
main = sys.modules["__main__"] = types.ModuleType("__main__")
shell = code.InteractiveInterpreter(vars(main))
for cell in cells:
    shell.runcode(compile(cell, "<cell>", "exec"))
"""


@METHODS
def test_cells_of_a_growing_main_module(method: str, tmp_path: Path) -> None:
    """Classes keep their identity, changes of functions count, workers keep their state."""
    cells = [dedent(cell).replace("{method!r}", repr(method)) for cell in CELLS]

    outcome = run_program(["-c", SESSION, json.dumps(cells)], cwd=tmp_path)

    assert outcome.stderr == ""
    assert outcome.stdout == SHOWN


def test_what_a_worker_changes_of_a_class_stays_there(tmp_path: Path) -> None:
    """A class that comes home with an object is not overwritten by the worker's copy of it."""
    source = """
        import procession
        class Counter: count = 0
        def bump(_):
            Counter.count += 1
            return Counter()
        with procession.get_context("spawn").Pool(1) as pool:
            objects = pool.map(bump, range(3), chunksize=1)
        print(Counter.count, all(type(item) is Counter for item in objects))
    """

    assert run_file(tmp_path, dedent(source)).stdout == "0 True\n"


@METHODS
def test_children_of_children_have_the_code_too(method: str, tmp_path: Path) -> None:
    """A child that has no main module starts another, with a function of the program."""
    source = f"""
        import procession
        context = procession.get_context({method!r})
        def inner(queue): queue.put("from the grandchild")
        def outer(queue):
            process = context.Process(target=inner, args=(queue,))
            process.start()
            process.join()
        queue = context.Queue()
        process = context.Process(target=outer, args=(queue,))
        process.start()
        print(queue.get(timeout=30))
        process.join()
    """

    assert run_file(tmp_path, dedent(source)).stdout == "from the grandchild\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_closures_of_ordinary_modules_travel(method: str) -> None:
    """A local function is a target, and goes through a queue and back."""
    context = procession.get_context(method)
    number = 20
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put(lambda more: number + more))
    process.start()
    try:
        assert queue.get(timeout=30)(3) == 23
    finally:
        process.join()


def test_ordinary_objects_do_not_load_cloudpickle(tmp_path: Path) -> None:
    """A program whose messages the C pickler takes never pays for the other one."""
    source = """
        import sys, procession, decimal
        queue = procession.Queue()
        queue.put([decimal.Decimal(1), {1, 2}])
        print(queue.get(), "cloudpickle" in sys.modules)
    """

    assert run_file(tmp_path, dedent(source)).stdout == "[Decimal('1'), {1, 2}] False\n"


WITH_PORTABLE = {"PROCESSION_TRANSPORT": "portable"}


def test_the_portable_transport_sends_code_by_value(tmp_path: Path) -> None:
    """The same program, where messages go through files."""
    (tmp_path / "program.py").write_text(UNGUARDED.format(method="spawn"))

    outcome = run_program([str(tmp_path / "program.py")], cwd=tmp_path, env=WITH_PORTABLE)

    assert (outcome.stdout, outcome.stderr) == (EXPECTED, "")
