"""A KeyboardInterrupt at every place where it can strike in the pool's code.

CPython looks for signals after each call, at the start of each function and where a loop turns.
A tracer raises the exception there, at the n-th such place, for every n (every few, where there are
thousands); after each the pool
must work as before, and hold no call that nobody can end.
"""

from __future__ import annotations

import dis
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.context import BaseContext
from types import CodeType, FrameType
from typing import Any

import pytest

from procession._engine.ipc import transport
from procession._engine.pool import engine
from tests.contracts.pool_tasks import double, raise_on
from tests.contracts.pools import ended
from tests.waiting import HANG_GUARD_SECONDS

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 looks in other places"),
    pytest.mark.skipif(sys.implementation.name != "cpython", reason="reads CPython's bytecode"),
    pytest.mark.skipif(
        transport.NAME != "native", reason="the portable transport is Python itself: no step is one"
    ),
    # One that strikes in a finalizer is printed by Python and goes no further.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_FOLDER = engine.__file__.rpartition("engine.py")[0]
_LOOKS_BEHIND = ("RESUME", "CALL")

DOUBLES = [2 * value for value in range(10)]


@cache
def _places(code: CodeType) -> frozenset[int]:
    """Offsets of instructions before which signals were looked for.

    In 3.11 a loop looks where it has jumped to, later ones before they jump.  The instruction
    that stands behind the jump is no such place: who comes there has left the loop.
    """
    places, previous = set(), ""
    for instruction in dis.get_instructions(code):
        if previous.startswith(_LOOKS_BEHIND):
            places.add(instruction.offset)
        if "JUMP_BACKWARD" in instruction.opname:
            is_old = sys.version_info < (3, 12)
            places.add(instruction.argval if is_old else instruction.offset)
        previous = instruction.opname
    return frozenset(places)


class _Striker:
    """Raises KeyboardInterrupt at the n-th place; of these functions, if some are named."""

    def __init__(self, place: int, *functions: str) -> None:
        self._left = place
        self._functions = functions
        self.struck: str | None = None

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_FOLDER):
            return None
        if self._functions and frame.f_code.co_name not in self._functions:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and frame.f_lasti in _places(frame.f_code):
            self._left -= 1
            if not self._left:
                self.struck = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def _in_a_row(pool: Any) -> list[Any]:
    results = [pool.apply_async(double, (value,)) for value in range(10)]
    return [result.get() for result in results]


CALLS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "apply": (1, lambda pool: pool.apply(double, (3,)) == 6),
    "apply with an object": (1, lambda pool: pool.apply(repr, (len,)) == repr(len)),
    "apply_async": (1, lambda pool: pool.apply_async(double, (3,)).get() == 6),
    "apply_async in a row": (1, lambda pool: _in_a_row(pool) == DOUBLES),
    "map": (11, lambda pool: pool.map(double, range(10)) == DOUBLES),
    "imap": (29, lambda pool: list(pool.imap(double, list(range(10)))) == DOUBLES),
    "imap of a generator": (31, lambda pool: list(pool.imap(double, iter(range(10)))) == DOUBLES),
}


def _owns_a_lock(pool: Any) -> bool:
    """Whether this thread left the pool with what another one would wait for in vain."""
    locks = pool._engine.lock, pool._engine.collector.role
    return any(lock._is_owned() for lock in locks)


@pytest.fixture
def pool(any_context: BaseContext) -> Iterator[Any]:
    """A pool that must end in the normal way."""
    with ended(any_context.Pool(2), in_order=True) as made:
        yield made


@pytest.mark.timeout(4 * HANG_GUARD_SECONDS)
@pytest.mark.parametrize("name", CALLS)
def test_pool_goes_on_wherever_an_interrupt_strikes(pool: Any, name: str) -> None:
    """The call that was interrupted is over, and nothing else is changed."""
    step, call = CALLS[name]
    pool.map(double, range(10))
    for place in range(1, 100_000, step):
        striker = _Striker(place)
        sys.settrace(striker)
        try:
            assert call(pool)
        except KeyboardInterrupt:
            assert striker.struck is not None
        finally:
            sys.settrace(None)
        assert not _owns_a_lock(pool), striker.struck
        assert pool.map(double, range(10)) == DOUBLES, striker.struck
        assert pool.apply(double, (7,)) == 14, striker.struck
        if striker.struck is None:
            return


def test_a_call_under_way_loses_nothing(pool: Any) -> None:
    """Who is interrupted while waiting for results may wait again, and gets all of them."""
    for place in range(1, 1_000, 7):
        striker = _Striker(place)
        numbers, results = list(range(300)), []
        iterator = pool.imap(double, numbers, buffersize=16)
        mapped = pool.map_async(double, numbers, chunksize=1)
        sys.settrace(striker)
        while True:
            try:
                results.extend(mapped.get()[:0])
                break
            except KeyboardInterrupt:
                continue
            finally:
                sys.settrace(None)
        results.extend(iterator)
        assert mapped.get() == [2 * number for number in numbers], striker.struck
        assert results == mapped.get(), striker.struck


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_a_call_loses_nothing(pool: Any, fails: bool) -> None:
    """Wherever the interrupt strikes while the outcome is made and shown."""
    numbers = [1, 2, 5 if fails else 3, 4]
    for place in range(1, 1_000):
        striker = _Striker(place, "end_if_done", "complete", "_end", "end", "show")
        mapped = pool.map_async(raise_on, numbers)
        sys.settrace(striker)
        try:
            mapped.wait()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if fails:
            with pytest.raises(ValueError, match="5"):
                mapped.get()
        else:
            assert mapped.get() == numbers, striker.struck
        assert not _owns_a_lock(pool), striker.struck
        if striker.struck is None:
            return


def _outcomes(iterator: Any) -> list[Any]:
    """Everything that comes out of an iterator, whatever interrupts the taking."""
    outcomes: list[Any] = []
    while True:
        try:
            outcomes.append(next(iterator))
        except StopIteration:
            return outcomes
        except TypeError:
            outcomes.append("refused")
        except KeyboardInterrupt:
            continue


@pytest.mark.timeout(4 * HANG_GUARD_SECONDS)
@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_no_outcome_comes_twice(pool: Any, method: str) -> None:
    """Wherever the interrupt strikes, also where an argument is refused as it is sent.

    The one that ``next()`` had in hand is lost with it, as in the standard library.
    """
    refused = (letter for letter in "abc")
    items = [*range(6), refused, *range(7, 12), refused, 13]
    for place in range(1, 100_000, 17):
        striker = _Striker(place)
        iterator = getattr(pool, method)(double, items, buffersize=4)
        sys.settrace(striker)
        try:
            outcomes = _outcomes(iterator)
        finally:
            sys.settrace(None)
        expected = [2 * item if item is not refused else "refused" for item in items]
        lost = Counter(expected)
        lost.subtract(outcomes)
        assert min(lost.values()) >= 0, (striker.struck, outcomes)
        assert lost.total() <= 1, (striker.struck, outcomes)
        if striker.struck is None:
            return
