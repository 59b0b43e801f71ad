"""A spawned child: it imports little, and finds everything where it always was."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from procession._engine.ipc import transport
from tests.conftest import RunScript
from tests.programs import run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the entry is of POSIX")

NEEDLESS = {
    "asyncio",
    "cloudpickle",
    "contextlib",
    "dataclasses",
    "importlib",
    "pickle",
    "re",
    "runpy",
    "select",
    "socket",
    "tempfile",
    "typing",
    "procession._engine.errors",
    "procession._engine.ipc",
    "procession._engine.pool",
    "procession._engine.process.launchers",
    "procession._native",
}
"""What a child that calls a function of a module has no use for."""


def test_child_imports_little(run_script: RunScript) -> None:
    """The time of a start is what is imported: whoever adds an import to it sees it here."""
    outcome = run_script(
        """
        import sys
        from types import ModuleType
        before = {name for name in sys.modules if type(sys.modules[name]) is ModuleType}

        import procession
        from procession import Process

        def show():
            now = {name for name in sys.modules if type(sys.modules[name]) is ModuleType}
            print(*sorted(now))

        if __name__ == "__main__":
            print(*sorted(before))
            child = procession.get_context("spawn").Process(target=show)
            child.start()
            child.join()
        """
    )
    before, in_child = (set(line.split()) for line in outcome.stdout.splitlines())
    if sys.version_info < (3, 14):  # there, multiprocessing itself looks into its late modules
        assert NEEDLESS & (in_child - before) == set()
    assert "threading" in in_child


NEEDLESS_TO_WORKERS = {
    "asyncio",
    "cloudpickle",
    "contextlib",
    "ctypes",
    "dataclasses",
    "importlib",
    "multiprocessing.connection",
    "multiprocessing.pool",
    "multiprocessing.queues",
    "multiprocessing.sharedctypes",
    "pathlib",
    "shutil",
    "subprocess",
    "tempfile",
    "traceback",
    "typing",
    "urllib.parse",
    "procession.pool",
    "procession.queues",
    "procession._engine.errors",
    "procession._engine.ipc.native_connection",
    "procession._engine.ipc.native_queue",
    "procession._engine.pool.pool",
}
"""What a worker that calls a function of a module has no use for."""


@pytest.mark.skipif(transport.NAME != "native", reason="portable queues are standard ones")
def test_worker_of_a_pool_imports_little(run_script: RunScript) -> None:
    """The same of a pool's worker, which has queues and memory of ours besides."""
    outcome = run_script(
        """
        import sys
        from types import ModuleType
        before = {name for name in sys.modules if type(sys.modules[name]) is ModuleType}

        import procession

        def loaded(_):
            return {name for name in sys.modules if type(sys.modules[name]) is ModuleType}

        if __name__ == "__main__":
            print(*sorted(before))
            with procession.get_context("spawn").Pool(1) as pool:
                print(*sorted(pool.map(loaded, [0])[0]))
        """
    )
    before, in_worker = (set(line.split()) for line in outcome.stdout.splitlines())
    if sys.version_info < (3, 14):  # as above
        assert NEEDLESS_TO_WORKERS & (in_worker - before) == set()
    assert "procession._native" in in_worker


def test_late_modules_are_the_standard_ones(run_script: RunScript) -> None:
    """What a child of the standard library has without importing it, ours has too."""
    outcome = run_script(
        """
        import multiprocessing
        import os
        import procession

        def look():
            from multiprocessing import reduction, resource_tracker, util
            assert reduction is multiprocessing.reduction is multiprocessing.context.reduction
            assert multiprocessing.reducer is reduction
            assert reduction.ForkingPickler.loads(reduction.ForkingPickler.dumps([1])) == [1]
            assert issubclass(reduction.ForkingPickler, __import__("pickle").Pickler)
            assert multiprocessing.spawn.get_executable()
            import subprocess
            mine = util._args_from_interpreter_flags()
            assert mine == subprocess._args_from_interpreter_flags()
            assert subprocess.run(["true"], check=True).returncode == 0
            assert resource_tracker.getfd() == resource_tracker._resource_tracker._fd
            assert resource_tracker._resource_tracker._pid is None, "it has started its own"
            grandchild = procession.get_context("fork").Process(target=os.getpid)
            grandchild.start()
            grandchild.join()
            assert grandchild.exitcode == 0
            print("seen")

        if __name__ == "__main__":
            child = procession.get_context("spawn").Process(target=look)
            child.start()
            child.join()
            print(child.exitcode)
        """
    )
    assert outcome.stdout.split() == ["seen", "0"]


def test_child_has_no_names_of_its_entry(run_script: RunScript) -> None:
    """A main module that is not imported leaves ``__main__`` to what comes by value."""
    outcome = run_script(
        """
        import procession

        file = "mine"

        def show():
            import sys
            main = sys.modules["__main__"]
            print(file, [name for name in ("marshal", "main") if hasattr(main, name)])

        child = procession.get_context("spawn").Process(target=show)
        child.start()
        child.join()
        """
    )
    assert outcome.stdout.strip() == "mine []"


MAIN = """
import sys
import procession

ARGUMENTS = list(sys.argv)
SAME = sys.modules[__name__].__dict__ is globals()

def show():
    import __main__
    name = __spec__ and __spec__.name
    print(__name__, ARGUMENTS[1:], __main__.show is show, name, __package__, SAME)

if __name__ == "__main__":
    child = {package}.get_context("spawn").Process(target=show)
    child.start()
    child.join()
"""


def shown(tmp_path: Path, command: list[str], package: str) -> str:
    """Run the program under its three guises; return what its child says."""
    (tmp_path / "program.py").write_text(
        MAIN.format(package=package).replace(
            "import procession", "import procession, multiprocessing"
        )
    )
    return run_program([*command, "word"], cwd=tmp_path).stdout


@pytest.mark.parametrize("command", [["program.py"], ["-m", "program"]], ids=["path", "name"])
def test_main_module_is_as_ever(tmp_path: Path, command: list[str]) -> None:
    """It sees the same names, arguments and package as under the standard library."""
    ours = shown(tmp_path, command, "procession")
    assert ours
    assert ours == shown(tmp_path, command, "multiprocessing")


def test_main_module_of_an_archive_is_as_ever(tmp_path: Path) -> None:
    """A source file that is an archive too is run as an archive."""
    program = tmp_path / "archive.py"
    with zipfile.ZipFile(program, "w") as archive:
        archive.writestr("__main__.py", MAIN.format(package="procession"))
    outcome = run_program([str(program), "word"], cwd=tmp_path)
    assert "['word']" in outcome.stdout


def test_child_that_logs_has_the_level_of_its_parent(run_script: RunScript) -> None:
    """Unusual settings are carried over as the standard library does."""
    outcome = run_script(
        """
        import logging
        import procession

        def log():
            procession.get_logger().debug("below the level")
            procession.get_logger().info("from the child")

        if __name__ == "__main__":
            procession.log_to_stderr(logging.INFO)
            child = procession.get_context("spawn").Process(target=log)
            child.start()
            child.join()
        """
    )
    assert "from the child" in outcome.stderr
    assert "below the level" not in outcome.stderr


def test_broken_main_module_is_reported(run_script: RunScript) -> None:
    """Its traceback is printed, and the parent learns of a child that failed."""
    outcome = run_script(
        """
        import procession

        if __name__ == "__mp_main__":
            raise LookupError("only for children")

        if __name__ == "__main__":
            child = procession.get_context("spawn").Process(target=print)
            child.start()
            child.join()
            print(child.exitcode)
        """
    )
    assert outcome.stdout.strip() == "1"
    assert "LookupError: only for children" in outcome.stderr
