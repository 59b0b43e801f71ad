"""A pool's interface in random orders, beside a model of what each call must give.

The model knows no processes: a call of ``double`` over numbers gives their doubles, bad
numbers raise, deadly ones die, and only the pool's state says whether a call is taken.
Examples are the same in every run (the profile in ``tests/conftest.py``); another set:
``pytest --hypothesis-seed=N`` with ``PROCESSION_RANDOM_MODEL=1``; hypothesis prints the seed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

import procession
from procession._engine.errors import ProcessError, WorkerDied
from tests.conftest import START_METHODS

PATIENCE_SECONDS = 30.0
MANY_RETRIES = 1000
BAD, DEADLY = 13, 17

numbers = st.lists(st.integers(0, BAD), max_size=40)


def double(number: int) -> int:
    """Be a task: bad numbers raise, deadly ones end the worker."""
    if number == BAD:
        raise LookupError(number)
    if number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def expected(values: list[int]) -> Any:
    """What a map must give: the doubles, or the class of its exception."""
    return LookupError if BAD in values else [2 * value for value in values]


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gave: its value, or the class of its exception."""
    try:
        return action()
    except (LookupError, ProcessError, ValueError) as error:
        return type(error)


class Pending:
    """An asynchronous call, what it must give, and what its callbacks were told."""

    def __init__(self, begin: Callable[..., Any], must: Any) -> None:
        self.must = must
        self.told: list[Any] = []
        self.result = begin(
            callback=self.told.append, error_callback=lambda error: self.told.append(type(error))
        )

    def check(self, *, may_be_terminated: bool) -> None:
        """Take the outcome: the one that must be, told once, or that the pool was terminated."""
        got = outcome(lambda: self.result.get(PATIENCE_SECONDS))
        if may_be_terminated and got is ProcessError:
            return
        assert got == self.must
        # terminate() takes away the callbacks that have not begun, not the outcomes that are there.
        assert self.told == [self.must] or (may_be_terminated and not self.told)


class Stream:
    """An iterator of results of which a part was taken."""

    def __init__(self, results: Any, values: list[int], *, ordered: bool) -> None:
        self.results = results
        self.left = [LookupError if value == BAD else 2 * value for value in values]
        self.ordered = ordered

    def take(self, *, may_be_terminated: bool) -> None:
        """Take one result: the next, or any that was not taken."""
        got = outcome(lambda: next(self.results, StopIteration))
        if may_be_terminated and got in (ProcessError, StopIteration):
            self.left = []
        elif not self.left:
            assert got is StopIteration
        elif self.ordered:
            assert got == self.left.pop(0)
        else:
            self.left.remove(got)


class PoolBesideModel(RuleBasedStateMachine):
    """Rules are what programs do; each compares what it gets with what the model says."""

    pending = Bundle("pending")
    streams = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.pool = procession.get_context(START_METHODS[0]).Pool(2)
        self.processes = len(self.pool._pool)
        self.state = "running"

    def is_running(self) -> bool:
        return self.state == "running"

    # ---- calls

    @rule(values=numbers, chunksize=st.sampled_from([None, 1, 3]))
    def map(self, values: list[int], chunksize: int | None) -> None:
        got = outcome(lambda: self.pool.map(double, values, chunksize, retries=MANY_RETRIES))
        assert got == (expected(values) if self.is_running() else ValueError)

    @rule(values=numbers)
    def map_with_a_deadly_one(self, values: list[int]) -> None:
        got = outcome(lambda: self.pool.map(double, [*values, DEADLY], on_error="return"))
        if not self.is_running():
            assert got is ValueError
            return
        assert isinstance(got[-1], WorkerDied)
        for value, result in zip(values, got[:-1], strict=True):
            assert isinstance(result, LookupError | WorkerDied) or result == 2 * value

    @rule(value=st.integers(0, BAD))
    def apply(self, value: int) -> None:
        got = outcome(lambda: self.pool.apply(double, (value,), retries=MANY_RETRIES))
        wanted = LookupError if value == BAD else 2 * value
        assert got == (wanted if self.is_running() else ValueError)

    @precondition(is_running)
    @rule(target=pending, value=st.integers(0, BAD))
    def apply_async(self, value: int) -> Any:
        def begin(**callbacks: Any) -> Any:
            return self.pool.apply_async(double, (value,), retries=MANY_RETRIES, **callbacks)

        return Pending(begin, LookupError if value == BAD else 2 * value)

    @precondition(is_running)
    @rule(target=pending, values=numbers)
    def map_async(self, values: list[int]) -> Any:
        def begin(**callbacks: Any) -> Any:
            return self.pool.map_async(double, values, retries=MANY_RETRIES, **callbacks)

        return Pending(begin, expected(values))

    @precondition(is_running)
    @rule(
        target=streams,
        values=numbers,
        chunksize=st.integers(1, 3),
        buffersize=st.sampled_from([None, 1, 4]),
        kind=st.sampled_from([iter, list]),
        ordered=st.booleans(),
    )
    def imap(
        self,
        values: list[int],
        chunksize: int,
        buffersize: int | None,
        kind: Callable[[list[int]], Any],
        ordered: bool,
    ) -> Any:
        begin = self.pool.imap if ordered else self.pool.imap_unordered
        results = begin(
            double, kind(values), chunksize, buffersize=buffersize, retries=MANY_RETRIES
        )
        return Stream(results, values, ordered=ordered)

    @precondition(is_running)
    @rule(values=numbers)
    def from_several_threads(self, values: list[int]) -> None:
        got: list[Any] = []

        def use() -> None:
            got.append(outcome(lambda: self.pool.map(double, values, retries=MANY_RETRIES)))

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert got == [expected(values)] * 3

    # ---- outcomes

    @rule(call=consumes(pending))
    def get(self, call: Pending) -> None:
        call.check(may_be_terminated=self.state == "terminated")

    @rule(stream=consumes(streams), count=st.integers(1, 60))
    def take(self, stream: Stream, count: int) -> None:
        for _ in range(count):
            stream.take(may_be_terminated=self.state == "terminated")

    @rule(target=streams, stream=consumes(streams))
    def take_one(self, stream: Stream) -> Any:
        stream.take(may_be_terminated=self.state == "terminated")
        return stream if stream.left else multiple()

    @rule(stream=consumes(streams))
    def drop(self, stream: Stream) -> None:
        """Nobody wants the rest."""

    # ---- what happens to the pool

    @rule(slot=st.integers(0, 1))
    def kill(self, slot: int) -> None:
        process = self.pool._pool[slot]
        if process.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    @rule()
    def close(self) -> None:
        self.pool.close()
        self.state = "terminated" if self.state == "terminated" else "closed"

    @rule()
    def terminate(self) -> None:
        self.pool.terminate()
        self.state = "terminated"

    @rule()
    def join(self) -> None:
        if self.is_running():
            with pytest.raises(ValueError, match="still running"):
                self.pool.join()
        else:
            self.pool.join()

    @invariant()
    def the_pool_keeps_its_size(self) -> None:
        assert len(self.pool._pool) == self.processes

    def teardown(self) -> None:
        self.pool.terminate()
        self.pool.join()
        for process in self.pool._pool:
            process.close()


def test_pool_beside_model() -> None:
    """Whatever the order, each call gives what the model says."""
    chosen = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        derandomize="PROCESSION_RANDOM_MODEL" not in os.environ,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(PoolBesideModel, settings=chosen)
