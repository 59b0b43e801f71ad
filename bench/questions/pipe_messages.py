"""What does it cost to send a message through a Pipe?

One sender, one receiver, `Pipe(duplex=False)`, `send` and `recv`.  Small messages as in
`queue_messages`, arrays as in `queue_arrays` (every page read by the receiver, the first
number checked).  The standard Pipe holds 64 KiB, so its sender waits for its receiver; so
does ours when its room is used up.
"""

from __future__ import annotations

from bench import queues, stream
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.messages import MESSAGES, steps_of

RIVALS = ("procession", "stdlib")


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per message."""
    message = MESSAGES[case.parameters["message"]]
    context = queues.fork_context(contender)
    receiver, sender = context.Pipe(duplex=False)
    sample = message.make()
    use = steps_of(message)

    def produce(count: int) -> None:
        send = sender.send
        for number in range(count):
            if message.is_array:
                sample[0] = number
            send(sample)

    def consume(count: int) -> None:
        recv = receiver.recv
        for number in range(count):
            received = recv()
            if message.is_array:
                use(received)
                assert received[0] == number

    producers, consumers = stream.Crew(context, produce, 1), stream.Crew(context, consume, 1)
    most = 1000 if message.is_array else min(200_000, (128 << 20) // message.nbytes)
    figures = stream.cost_per_message(producers, consumers, most, seconds)
    producers.dismiss()
    consumers.dismiss()
    return figures


def _case(message: str, name: str, at_least: float, *, short: bool = True) -> Case:
    return Case(
        name=name,
        unit="us/message",
        needs="pipe",
        short=RIVALS if short else (),
        targets=(Target(at_least),),
        parameters={"message": message},
        headline=message in ("list", "64 MiB"),
        patience=300,
    )


QUESTION = Question(
    key="pipe_messages",
    title="Pipe: one message at a time",
    cases=(
        _case("int", "small int", 20),
        _case("list", "[42, None, 'hello']", 20),
        _case("dict", "dict of 10", 7),
        _case("1 KiB", "bytes, 1 KiB", 20),
        _case("64 KiB", "bytes, 64 KiB", 8),
        _case("1 MiB", "array, 1 MiB", 8),
        _case("64 MiB", "array, 64 MiB", 12),
        _case("1 GiB", "array, 1 GiB", 8, short=False),
    ),
    measure=measure,
)
