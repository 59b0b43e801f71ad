"""What does it cost to send a NumPy array through a Queue?

One producer, one consumer; the consumer reads one number of each page of what it
received.  The producer sends the same array again and again (an unchanged one: the standard Queue
pickles in a thread, later, and would send what the array has become by then).  The queue
holds at most 2 messages for everybody, as it must in a program whose arrays are big.
Steady state: the first four messages are not counted, twice as many as the queue holds.
"""

from __future__ import annotations

from bench import queues, stream
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.messages import MESSAGES, steps_of

BOUND = 2


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per array."""
    message = MESSAGES[case.parameters["message"]]
    ends = queues.open_queue(contender, BOUND, message.nbytes)
    context = queues.fork_context(contender)
    sample = message.make()
    use = steps_of(message)

    def produce(count: int) -> None:
        for _ in range(count):
            ends.put(sample)

    def consume(count: int) -> None:
        for _ in range(count):
            received = ends.get()
            use(received)
        assert received[-1] == sample[-1]

    producers, consumers = stream.Crew(context, produce, 1), stream.Crew(context, consume, 1)
    figures = stream.cost_per_message(producers, consumers, 1000, seconds, 2 * BOUND)
    producers.dismiss()
    consumers.dismiss()
    figures["GB/s"] = message.nbytes / figures["us"] / 1e3
    return figures


QUESTION = Question(
    key="queue_arrays",
    title="Queue: NumPy arrays",
    cases=(
        Case(
            "1 MiB",
            "us/array",
            "queue",
            ("procession", "stdlib", "faster_fifo"),
            (Target(20),),
            {"message": "1 MiB"},
        ),
        Case(
            "64 MiB",
            "us/array",
            "queue",
            ("procession", "stdlib", "faster_fifo"),
            (Target(15),),
            {"message": "64 MiB"},
            headline=True,
        ),
        Case("1 GiB", "us/array", "queue", (), (Target(8),), {"message": "1 GiB"}, patience=300),
    ),
    measure=measure,
)
