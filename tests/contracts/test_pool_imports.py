"""What a pool makes a program import: whoever adds a costly module sees it here."""

from __future__ import annotations

import sys

import pytest

from procession._engine.ipc import transport
from tests.conftest import RunScript

NEEDLESS = {
    "argparse",
    "ast",
    "asyncio",
    "cloudpickle",
    "concurrent.futures",
    "ctypes",
    "dataclasses",
    "inspect",
    "logging",
    "multiprocessing.managers",
    "multiprocessing.queues",
    "multiprocessing.shared_memory",
    "multiprocessing.synchronize",
    "pathlib",
    "typing",
    "urllib.parse",
}
"""What a program with a pool of forked workers has no use for, unless it imports it itself."""


@pytest.mark.skipif(transport.NAME != "native", reason="portable queues are standard ones")
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="its standard library imports more")
def test_pool_imports_little(run_script: RunScript) -> None:
    """Its modules are memory of the program for as long as that runs, and time at its start."""
    outcome = run_script(
        """
        import sys
        from types import ModuleType

        def loaded(_=None):
            return {name for name in sys.modules if type(sys.modules[name]) is ModuleType}

        if __name__ == "__main__":
            before = loaded()
            import procession
            with procession.get_context("fork").Pool(2) as pool:
                pool.map(abs, range(10))
                pool.apply_async(abs, (1,)).get()
                list(pool.imap(abs, range(10)))
                in_worker = pool.apply(loaded)
                print("parent", *sorted(loaded() - before))
                print("worker", *sorted(in_worker - before))
        """
    )
    in_parent, in_worker = (set(line.split()) for line in outcome.stdout.splitlines())
    assert NEEDLESS & in_parent == set()
    assert NEEDLESS & in_worker == set()
    assert "procession._engine.pool.pool" in in_parent & in_worker
