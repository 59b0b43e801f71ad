"""From the arguments of a pool's method to a call that the engine can run."""

from __future__ import annotations

from procession._engine.pool.arguments import checked_policy, checked_retries, checked_timeout
from procession._engine.pool.calls import ApplyCall, Call, MapCall
from procession._engine.pool.policy import Pace
from procession._engine.pool.recipe import (
    APPLY,
    EAGER,
    MAP,
    STARMAP,
    STATEFUL,
    TIMED,
    RecipeShelf,
)
from procession._engine.pool.showing import shown
from procession._engine.pool.stream_call import StreamCall
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from procession._engine.pool.engine import Engine
    from procession._engine.pool.recipe import Recipe
    from procession._engine.pool.thread_engine import ThreadEngine

__all__ = ["Maker"]


class Maker:
    """Makes the calls of one pool.

    ``retries`` and ``timeout`` are the pool's own; ``fixed``: messages are counted as tasks
    (maxtasksperchild), so each is one chunk; ``stateful``: workers have a state, and functions
    get it unless a call says otherwise.
    """

    map_kind = MapCall
    stream_kind = StreamCall

    def __init__(
        self,
        engine: Engine | ThreadEngine,
        workers: int,
        retries: int,
        timeout: float | None,
        *,
        fixed: bool,
        stateful: bool,
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._retries = retries
        self._timeout = timeout
        self._recipes = RecipeShelf()
        self._fixed = fixed
        self._stateful = stateful
        self._apply_pace = self._pace(1, eager=True)
        self._last: _Latest | None = None

    def close(self) -> None:
        """No more calls come."""
        self._recipes.close()

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any],
        kwds: Mapping[str, Any],
        retries: int | None,
        timeout: float | None = None,
        pass_state: bool | None = None,
    ) -> ApplyCall:
        """Make a call of one task."""
        arguments = tuple(args)
        if retries is timeout is pass_state is None and not kwds:
            known = self._last
            if known is not None and known.function is func and not known.is_stale():
                call = ApplyCall(known.label, self._apply_pace, self._retries, arguments)
                call.recipe = known.recipe
                return call
        item = (arguments, dict(kwds)) if kwds else arguments
        call = ApplyCall(_name(func), self._apply_pace, self._tries(retries), item)
        call.has_keywords = bool(kwds)
        self._prepare(call, func, APPLY if kwds else STARMAP, timeout, pass_state)
        if timeout is pass_state is self._timeout is None and not kwds:
            self._last = _Latest.of(func, call)
            if retries is None:
                self._show_short_way(func, call)
        return call

    def _show_short_way(self, func: Callable[..., Any], call: ApplyCall) -> None:
        """Let calls like this one go the short way, where a name tells their function."""
        recipe = call.recipe
        if self._last is not None and recipe is not None and not recipe.must_close:
            # Threads have no recipes.
            engine: Engine = self._engine  # type: ignore[assignment]
            engine.expect(func, call, recipe.text, recipe.is_of_main)

    def map(
        self,
        kind: int,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        retries: int | None,
        timeout: float | None,
        on_error: str,
        pass_state: bool | None,
    ) -> MapCall:
        """Make a call over a finite input, which is read now."""
        items = self._as_read(iterable)
        method = "starmap" if kind == STARMAP else "map"
        pace, policy = self._map_pace(chunksize, len(items)), checked_policy(on_error)
        call = self.map_kind(method, _name(func), pace, self._tries(retries), items, policy)
        self._prepare(call, func, kind, timeout, pass_state)
        return call

    def _as_read(self, iterable: Iterable[Any]) -> Sequence[Any]:
        """Return the items of an input."""
        # A list may be changed by the caller while we read it; these cannot.
        if type(iterable) is tuple or type(iterable) is range:
            return iterable
        return list(iterable)

    def stream(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        ordered: bool,
        buffersize: int | None,
        retries: int | None,
        timeout: float | None,
        on_error: str,
        pass_state: bool | None,
    ) -> StreamCall:
        """Make a call whose input is read as its results are taken."""
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be at least 1 or None, not {buffersize!r}")
        engine = self._engine
        call = self.stream_kind(
            "imap" if ordered else "imap_unordered",
            _name(func),
            self._pace(chunksize, eager=True),
            self._tries(retries),
            iterable,
            ordered=ordered,
            buffersize=buffersize,
            on_error=checked_policy(on_error),
            wake=lambda: engine.feed_from_reader(call),
            keep=engine.keep,
        )
        self._prepare(call, func, MAP, timeout, pass_state)
        return call

    def _prepare(
        self,
        call: Call,
        func: Callable[..., Any],
        kind: int,
        timeout: float | None,
        pass_state: bool | None,
    ) -> None:
        """Pack a call's function; a call whose function cannot be packed has failed."""
        limit = self._timeout if timeout is None else checked_timeout(timeout)
        manner = self._state_manner(pass_state)
        if call.single or call.retries == 0 or call.on_error == "return":
            manner |= EAGER
        if limit is not None:
            call.timeout = limit
            manner |= TIMED
        try:
            call.recipe = self._recipes.recipe(func, kind, manner, call.number)
        except Exception as error:  # whatever a user's __reduce__ raises
            call.fail(error)

    def _state_manner(self, pass_state: bool | None) -> int:
        """Whether the function gets the state.  Raises ValueError when there is none to get."""
        if pass_state is None:
            pass_state = self._stateful
        elif pass_state and not self._stateful:
            raise ValueError("pass_state=True needs a pool that was made with worker_state=")
        return STATEFUL if pass_state else 0

    def _pace(self, grain: int, *, eager: bool) -> Pace:
        return Pace(self._workers, grain, eager=eager, fixed=self._fixed)

    def _map_pace(self, chunksize: int | None, total: int) -> Pace:
        if chunksize is not None:
            return self._pace(max(1, chunksize), eager=False)
        pace = self._pace(1, eager=False)
        # The standard library counts chunks of its own size as tasks.
        return self._pace(pace.standard_grain(total), eager=False) if pace.fixed else pace

    def _tries(self, retries: int | None) -> int:
        return self._retries if retries is None else checked_retries(retries)


class _Latest:
    """The function of the latest call of one task: the next one is most likely the same."""

    __slots__ = ("function", "label", "recipe")

    def __init__(self, function: Any, label: str, recipe: Recipe) -> None:
        self.function = function
        self.label = label
        self.recipe = recipe

    @classmethod
    def of(cls, function: Any, call: ApplyCall) -> _Latest | None:
        """Keep a function whose recipe stays the same from call to call; None for others."""
        recipe = call.recipe
        return cls(function, call.function, recipe) if recipe is not None and recipe.kept else None

    def is_stale(self) -> bool:
        """Whether the function has to be packed anew."""
        return self.recipe.is_of_main and MAIN.travels_by_value()


def _name(func: Any) -> str:
    name = getattr(func, "__qualname__", None)
    return name if type(name) is str else shown(func)
