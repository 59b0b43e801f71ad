"""What does a message cost when several producers and consumers share a Queue?

The message is `[42, None, 'hello']`; each of the processes moves an equal share, so with more
processes than cores the figure also shows what waking and being put aside cost.  Same
processes and message for everybody.
"""

from __future__ import annotations

from bench import queues, stream
from bench.case import Case, Question, Target
from bench.contenders import Contender

BIGGEST_BURST = 100_000


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per message."""
    ends = queues.open_queue(contender)
    context = queues.fork_context(contender)

    def produce(count: int) -> None:
        put = ends.put
        for _ in range(count):
            put([42, None, "hello"])

    def consume(count: int) -> None:
        get = ends.get
        for _ in range(count):
            get()

    producers = stream.Crew(context, produce, case.parameters["producers"])
    consumers = stream.Crew(context, consume, case.parameters["consumers"])
    figures = stream.cost_per_message(producers, consumers, BIGGEST_BURST, seconds)
    producers.dismiss()
    consumers.dismiss()
    return figures


def _case(producers: int, consumers: int) -> Case:
    return Case(
        name=f"{producers} producers, {consumers} consumers".replace("1 producers", "1 producer"),
        unit="us/message",
        needs="queue",
        short=("procession", "stdlib", "faster_fifo")[: 3 if producers == consumers else 2],
        targets=(Target(15),),
        parameters={"producers": producers, "consumers": consumers},
        headline=producers == consumers,
    )


QUESTION = Question(
    key="queue_fan",
    title="Queue: several producers and consumers",
    cases=(_case(4, 1), _case(1, 4), _case(4, 4)),
    measure=measure,
)
