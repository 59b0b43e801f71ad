"""What tasks print is seen."""

from __future__ import annotations

import pytest

from tests.conftest import START_METHODS, RunScript

BUFFERED = {"PYTHONUNBUFFERED": ""}

PRINTING = """
    import os, signal, sys
    import procession

    def say(value):
        print(f"line {value}")
        print(f"error {value}", file=sys.stderr)
        return value

    def say_and_die(value):
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)

    if __name__ == "__main__":
        with procession.get_context(sys.argv[1]).Pool(2) as pool:
            print("before")
            METHOD
"""


@pytest.mark.parametrize("method", START_METHODS)
class TestPrinting:
    """Standard output is a pipe here, which Python fills by the block."""

    def test_left_by_with(self, run_script: RunScript, method: str) -> None:
        """All lines of all tasks, each once and whole, although the workers are terminated."""
        source = PRINTING.replace("METHOD", "pool.map(say, range(200), chunksize=3)")
        outcome = run_script(source, method, env=BUFFERED)

        lines = outcome.stdout.splitlines()
        assert sorted(lines) == sorted(["before", *(f"line {value}" for value in range(200))])
        assert outcome.stderr.count("error") == 200

    def test_before_a_crash(self, run_script: RunScript, method: str) -> None:
        """What a task printed before it killed its worker."""
        source = PRINTING.replace(
            "METHOD", "pool.map(say_and_die, [1], retries=0, on_error='return')"
        )
        outcome = run_script(source, method, env=BUFFERED)

        assert sorted(outcome.stdout.split("\n")[:2]) == ["before", "last words"]
