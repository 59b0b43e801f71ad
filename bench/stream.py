"""How long a message takes when producers and consumers do nothing else.

Producers and consumers are processes that wait for orders: one burst is so many messages, split
evenly.  The time of a burst runs from the first producer's start to the last consumer's
end, both read from the clock that all processes share.  Bursts grow until one takes a good
part of the time allowed; then they repeat, and all of these together are the figure.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

__all__ = ["Crew", "cost_per_message"]

Work = Callable[[int], None]
"""Moves so many messages; runs in a producer or consumer."""


class Crew:
    """Processes that carry out one kind of work on order."""

    def __init__(self, context: Any, work: Work, count: int) -> None:
        """Start `count` processes of `context`, forked, each of which does `work`."""
        self.pipes = []
        self.processes = []
        for _ in range(count):
            ours, theirs = multiprocessing.Pipe()
            process = context.Process(target=_obey, args=(theirs, work), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def order(self, messages: int) -> None:
        """Tell each process to move its share of the messages."""
        for pipe in self.pipes:
            pipe.send(messages // len(self.pipes))

    def dismiss(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def _obey(orders: Any, work: Work) -> None:
    while (count := orders.recv()) is not None:
        began = time.monotonic_ns()
        work(count)
        orders.send((began, time.monotonic_ns()))


def _burst(producers: Crew, consumers: Crew, messages: int) -> float:
    """Move so many messages; seconds.  EOFError when one of the processes died."""
    consumers.order(messages)
    producers.order(messages)
    times: dict[Any, tuple[int, int]] = {}
    waiting: set[Any] = {*producers.pipes, *consumers.pipes}
    while waiting:
        ready: list[Any] = connection.wait(list(waiting))
        for pipe in ready:
            times[pipe] = pipe.recv()
            waiting.remove(pipe)
    began = min(times[pipe][0] for pipe in producers.pipes)
    ended = max(times[pipe][1] for pipe in consumers.pipes)
    return (ended - began) / 1e9


def cost_per_message(
    producers: Crew, consumers: Crew, most: int, seconds: float, unmeasured: int = 1
) -> dict[str, float]:
    """Measure bursts of at most `most` messages for about `seconds`; microseconds per message.

    Before that each process moves `unmeasured` messages.
    """
    share = max(len(producers.pipes), len(consumers.pipes))
    messages = share
    _burst(producers, consumers, messages * unmeasured)
    while (took := _burst(producers, consumers, messages)) < seconds / 8 and messages < most:
        messages = min(most, messages * 4)
        messages -= messages % share
    moved, spent = messages, took
    while spent < seconds:
        spent += _burst(producers, consumers, messages)
        moved += messages
    return {"us": spent / moved * 1e6, "messages": moved}
