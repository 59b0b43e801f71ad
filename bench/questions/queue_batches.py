"""What does a message cost when it travels in a batch?

Small ints, 64 to a batch, with `put_many` and `get_many` where a contender has them.
The standard Queue has none: it puts and gets one by one, which is what its users do.  The
target is a ratio to faster-fifo, whose headline this is.
"""

from __future__ import annotations

from bench import queues, stream
from bench.case import Case, Question, Target
from bench.contenders import Contender

BATCH = 64


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:  # noqa: ARG001
    """Return microseconds per message."""
    ends = queues.open_queue(contender)
    context = queues.fork_context(contender)
    batch = list(range(BATCH))

    def produce(batches: int) -> None:
        put_many = ends.put_many
        for _ in range(batches):
            put_many(batch)

    def consume(batches: int) -> None:
        get_many = ends.get_many
        left = batches * BATCH
        while left:
            left -= len(get_many(min(BATCH, left)))

    producers, consumers = stream.Crew(context, produce, 1), stream.Crew(context, consume, 1)
    figures = stream.cost_per_message(producers, consumers, 10_000, seconds)
    producers.dismiss()
    consumers.dismiss()
    return {"us": figures["us"] / BATCH, "messages": figures["messages"] * BATCH}


QUESTION = Question(
    key="queue_batches",
    title="Queue: batches of 64",
    cases=(
        Case(
            "put_many, get_many",
            "us/message",
            "many",
            ("procession", "stdlib", "faster_fifo"),
            (Target(50, against="faster_fifo"),),
            headline=True,
        ),
    ),
    measure=measure,
)
