"""What does it cost to send a small message through a Queue, and who depends on its size?

One producer and one consumer, both processes that do nothing else; each contender's Queue with
its defaults (faster-fifo: its default of 1 MB of room).  The same object is put again and
again, everybody pickles or encodes it each time, and the reader gets an equal one.  Fair: same
processes, same messages, same clock; nobody is given batches, a bound, or a pinned core.
"""

from __future__ import annotations

from bench import queues, stream
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.messages import MESSAGES

RIVALS = ("procession", "stdlib")
PEERS = ("stdlib_simple", "faster_fifo")


def _case(message: str, name: str, at_least: float, *, headline: bool = False) -> Case:
    return Case(
        name=name,
        unit="us/message",
        needs="queue",
        short=(*RIVALS, *PEERS) if message in ("list", "64 KiB") else RIVALS,
        targets=(Target(at_least),),
        parameters={"message": message},
        headline=headline,
    )


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per message."""
    message = MESSAGES[case.parameters["message"]]
    ends = queues.open_queue(contender, message_bytes=message.nbytes)
    context = queues.fork_context(contender)
    sample = message.make()

    def produce(count: int) -> None:
        put = ends.put
        for _ in range(count):
            put(sample)

    def consume(count: int) -> None:
        get = ends.get
        for _ in range(count):
            received = get()
        assert received == sample

    producers, consumers = stream.Crew(context, produce, 1), stream.Crew(context, consume, 1)
    most = min(200_000, (128 << 20) // message.nbytes)
    figures = stream.cost_per_message(producers, consumers, most, seconds)
    producers.dismiss()
    consumers.dismiss()
    return figures


QUESTION = Question(
    key="queue_messages",
    title="Queue: one small message at a time",
    cases=(
        _case("int", "small int", 30, headline=True),
        _case("list", "[42, None, 'hello']", 20, headline=True),
        _case("dict", "dict of 10", 7),
        _case("1 KiB", "bytes, 1 KiB", 25),
        _case("64 KiB", "bytes, 64 KiB", 8),
    ),
    measure=measure,
)
