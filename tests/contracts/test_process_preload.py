"""What a child of the fork server finds: the main module, what was preloaded, random numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the standard library's own server is used"
)


def test_the_main_module_is_imported_once_for_all_children(run_script: RunScript) -> None:
    """What it prints at its import is printed by the parent, and once by the server."""
    outcome = run_script(
        """
        import procession

        print("imported as", __name__, flush=True)

        def where():
            print("run in", __name__, flush=True)

        if __name__ == "__main__":
            for _ in range(3):
                process = procession.get_context("forkserver").Process(target=where)
                process.start()
                process.join()
        """
    )
    lines = outcome.stdout.splitlines()
    assert lines == ["imported as __main__", "imported as __mp_main__", *["run in __mp_main__"] * 3]


def test_a_main_module_that_is_run_by_name_is_imported_once(tmp_path: Path) -> None:
    """``python -m program``: the same."""
    (tmp_path / "program.py").write_text(
        dedent(
            """
            import procession

            print("imported as", __name__, flush=True)

            def where():
                print("run in", __name__, flush=True)

            if __name__ == "__main__":
                for _ in range(2):
                    process = procession.get_context("forkserver").Process(target=where)
                    process.start()
                    process.join()
            """
        )
    )
    outcome = subprocess.run(
        [sys.executable, "-m", "program"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_SECONDS,
        check=True,
    )
    assert outcome.stdout.splitlines() == [
        "imported as __main__",
        "imported as __mp_main__",
        *["run in __mp_main__"] * 2,
    ]


def test_without_main_in_the_preload_each_child_imports_it(run_script: RunScript) -> None:
    """``set_forkserver_preload([])`` asks for a server that leaves the main module alone."""
    outcome = run_script(
        """
        import procession

        print("imported as", __name__, flush=True)

        if __name__ == "__main__":
            procession.set_forkserver_preload([])
            for _ in range(2):
                process = procession.get_context("forkserver").Process(target=int)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.count("imported as __mp_main__") == 2


def test_preloaded_modules_are_there_and_a_missing_one_does_no_harm(run_script: RunScript) -> None:
    """A module of ``set_forkserver_preload`` was imported by the server, not by the child."""
    outcome = run_script(
        """
        import os, sys
        from pathlib import Path
        import procession

        def look():
            import slow
            print(slow.pid == os.getppid(), flush=True)

        if __name__ == "__main__":
            Path("slow.py").write_text("import os; pid = os.getpid()")
            Path("broken.py").write_text("1 / 0")
            procession.set_forkserver_preload(["no_such_module", "broken", "slow", "__main__"])
            process = procession.get_context("forkserver").Process(target=look)
            process.start()
            process.join()
        """
    )
    assert outcome.stdout.split() == ["True"]
    assert outcome.stderr == ""


def test_a_child_finds_what_its_parent_has_at_that_moment(run_script: RunScript) -> None:
    """Environment, folder, path, arguments, umask, signal mask, time zone, output: not old ones."""
    outcome = run_script(
        """
        import os, signal, sys, time
        import procession

        def tell():
            umask = os.umask(0)
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            print(os.environ.get("NEW"), os.environ.get("OLD"), os.getcwd(), sys.path[0],
                  sys.argv[1:], oct(umask), signal.SIGUSR2 in mask, signal.SIGINT in mask,
                  time.timezone, os.popen("echo $NEW").read().strip(), flush=True)

        def start():
            process = procession.get_context("forkserver").Process(target=tell)
            process.start()
            process.join()

        if __name__ == "__main__":
            start()
            os.environ["NEW"] = "new"
            os.environ["TZ"] = "XYZ-2"
            del os.environ["OLD"]
            os.mkdir("below")
            os.chdir("below")
            sys.path.insert(0, "/nowhere")
            sys.argv[1:] = ["changed"]
            os.umask(0o027)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
            with open("output", "w") as file:
                before = os.dup(1)
                os.dup2(file.fileno(), 1)
                start()
                os.dup2(before, 1)
            print(open("output").read(), end="")
        """,
        "given",
        env={**os.environ, "OLD": "old", "TZ": "UTC"},
    )
    first, second = outcome.stdout.splitlines()
    folder = Path(first.split()[2])
    first_entry = first.split()[3]
    assert first == f"None old {folder} {first_entry} ['given'] 0o22 False False 0 "
    assert second == f"new None {folder / 'below'} /nowhere ['changed'] 0o27 True False -7200 new"


def test_the_authentication_key_is_the_parents_of_that_moment(run_script: RunScript) -> None:
    """A child has the key that its parent has, also one that was set after the server began."""
    outcome = run_script(
        """
        import procession

        def tell():
            print(bytes(procession.current_process().authkey) == b"other", flush=True)

        if __name__ == "__main__":
            for key in (b"first", b"other"):
                procession.current_process().authkey = key
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["False", "True"]


def test_a_main_module_that_changed_is_imported_anew(run_script: RunScript) -> None:
    """Once its file is another, children import that, as under the standard library's server."""
    outcome = run_script(
        """
        import procession
        from pathlib import Path

        VERSION = 1

        def tell():
            print(VERSION, flush=True)

        if __name__ == "__main__":
            context = procession.get_context("forkserver")
            for version in (1, 2):
                source = Path(__file__).read_text()
                if version == 2:
                    Path(__file__).write_text(source.replace("VERSION = 1", "VERSION = 2 "))
                process = context.Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["1", "2"]


def test_numpy_in_the_main_module_is_imported_once(run_script: RunScript) -> None:
    """The server has it; the children share it."""
    pytest.importorskip("numpy")
    outcome = run_script(
        """
        import os
        import numpy as np
        import procession

        IMPORTED_BY = os.getpid()

        def tell():
            print(IMPORTED_BY == os.getppid(), flush=True)

        if __name__ == "__main__":
            for _ in range(3):
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["True"] * 3


DRAWS = """
import random
from numpy import random as np_random
import procession

{at_import}

def tell():
    print(random.random(), flush=True)
    print(np_random.random(), flush=True)

if __name__ == "__main__":
    for _ in range(2):
        process = procession.get_context("forkserver").Process(target=tell)
        process.start()
        process.join()
"""


@pytest.mark.parametrize(
    "at_import", ["", "random.random(); np_random.random()", "random.randbytes(9000)"]
)
def test_children_draw_different_random_numbers(run_script: RunScript, at_import: str) -> None:
    """Generators that nobody seeded go their own way in each child, though imported once."""
    pytest.importorskip("numpy")
    first, first_np, second, second_np = run_script(
        DRAWS.format(at_import=at_import)
    ).stdout.split()
    assert first != second
    assert first_np != second_np


def test_a_seed_that_the_main_module_sets_holds_in_children(run_script: RunScript) -> None:
    """A program that seeds at its import gets the same numbers in each child."""
    pytest.importorskip("numpy")
    outcome = run_script(DRAWS.format(at_import="random.seed(7); np_random.seed(7)"))
    first, first_np, second, second_np = outcome.stdout.split()
    assert first == second
    assert first_np == second_np


def test_the_main_module_is_the_parents_and_nothing_else(run_script: RunScript) -> None:
    """A child without a main module to import finds an empty one, not what started the server."""
    outcome = run_script(
        """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", '''
        import procession
        process = procession.get_context("forkserver").Process(
            target=exec,
            args=("import __main__; print([n for n in vars(__main__) if n[:2] != '__'])",),
        )
        process.start()
        process.join()
        '''.replace("\\n        ", "\\n")], check=True)
        """
    )
    assert outcome.stdout.strip() == "[]"


# ---- main modules that cannot be imported beforehand ------------------------------------


def test_an_error_of_the_main_module_is_the_childs(run_script: RunScript) -> None:
    """A main module that fails at its import harms nobody but the child, which reports it."""
    outcome = run_script(
        """
        import procession

        if __name__ != "__main__":
            raise LookupError("not importable")

        def never():
            pass

        process = procession.get_context("forkserver").Process(target=never)
        process.start()
        process.join()
        print(process.exitcode)
        """
    )
    assert outcome.stdout.strip() == "1"
    assert outcome.stderr.count("LookupError: not importable") == 1


def test_a_script_without_a_guard_comes_to_its_end(run_script: RunScript) -> None:
    """No fork bomb, no hang."""
    outcome = run_script(
        """
        import procession

        process = procession.get_context("forkserver").Process(target=int)
        process.start()
        process.join()
        """,
        check=False,
    )
    assert outcome.returncode == 0


def test_a_main_module_that_ends_the_process_at_its_import(run_script: RunScript) -> None:
    """A server that is ended by the import is replaced by one that does without."""
    outcome = run_script(
        """
        import os
        import procession

        if __name__ != "__main__":
            os._exit(3)

        for _ in range(2):
            process = procession.get_context("forkserver").Process(target=int)
            process.start()
            process.join()
            print(process.exitcode)
        """
    )
    assert outcome.stdout.split() == ["3", "3"]


def test_a_main_module_that_starts_threads_is_not_forked(run_script: RunScript) -> None:
    """Each child then has its own thread, alive, as if there were no preloading."""
    outcome = run_script(
        """
        import os, threading
        import procession

        stop = threading.Event()
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        IMPORTED_BY = os.getpid()

        def tell():
            print(thread.is_alive(), IMPORTED_BY == os.getpid(), flush=True)

        if __name__ == "__main__":
            for _ in range(2):
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.splitlines() == ["True True"] * 2
