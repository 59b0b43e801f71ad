"""What the processes of the contract tests do.  Each leaves with exit code 0 when all was well."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import random
import time
from typing import Any


def put_all(target: Any, objects: list[Any]) -> None:
    """Put one by one and exit at once."""
    for each in objects:
        target.put(each)


def put_bytes(target: Any, count: int, size: int) -> None:
    """Put ``count`` messages of ``size`` bytes, each of one repeated byte."""
    for index in range(count):
        target.put(bytes([index % 256]) * size)


def put_and_exit_hard(target: Any, obj: Any) -> None:
    """Put and leave without any clean-up."""
    target.put(obj)
    os._exit(0)


def take_and_answer(source: Any, answers: Any) -> None:
    """Answer each object that comes with its pair of (type name, object), until None comes."""
    for each in iter(source.get, None):
        answers.put((type(each).__name__, each))


def report_timeouts(source: Any, full: Any, answers: Any) -> None:
    """Answer with what an empty queue and a full one do here."""
    begin = time.monotonic()
    try:
        source.get(timeout=0.05)
    except queue.Empty:
        answers.put(("Empty", time.monotonic() - begin))
    begin = time.monotonic()
    try:
        full.put(0, timeout=0.05)
    except queue.Full:
        answers.put(("Full", time.monotonic() - begin))


def produce_with_checksums(target: Any, producer: int, count: int) -> None:
    """Put (producer, index, payload, digest of the payload), sizes as the producer's dice fall."""
    dice = random.Random(producer)
    for index in range(count):
        payload = dice.randbytes(dice.choice((0, 1, 30, 900, 5_000, 70_000)))
        target.put((producer, index, payload, hashlib.sha256(payload).digest()))


def consume_with_checksums(source: Any, results: Any) -> None:
    """Take until None comes; hand back what came, in order, as (producer, index)."""
    seen: list[tuple[int, int]] = []
    for producer, index, payload, digest in iter(source.get, None):
        if hashlib.sha256(payload).digest() != digest:
            raise ValueError(f"message {index} of producer {producer} was damaged")
        seen.append((producer, index))
    results.put(seen)


def put_and_take_for_ever(target: Any, began: Any) -> None:
    """Work on a queue until killed."""
    began.put(os.getpid())
    while True:
        target.put(b"x" * 3_000)
        with contextlib.suppress(queue.Empty):
            target.get(timeout=0.01)


def wait_for_ever(source: Any, began: Any) -> None:
    """Say that this process is there, then wait in get."""
    began.put(os.getpid())
    source.get()


def do_tasks(source: Any) -> None:
    """Take and report as done, until None comes."""
    for _ in iter(source.get, None):
        source.task_done()
    source.task_done()


def send_and_close(connection: Any, objects: list[Any]) -> None:
    """Send all, close the end."""
    for each in objects:
        connection.send(each)
    connection.close()


def send_bytes_of_sizes(connection: Any, sizes: list[int]) -> None:
    """Send one message of each size."""
    for size in sizes:
        connection.send_bytes(os.urandom(1) * size)


def echo(connection: Any) -> None:
    """Send back what comes, until the other end is closed."""
    with contextlib.suppress(EOFError):
        while True:
            connection.send(connection.recv())


def close_and_echo(connection: Any, other: Any) -> None:
    """Close the copy of the other end, if it was given, and echo."""
    if other is not None:
        other.close()
    echo(connection)


def idle_until_told(stop: Any) -> None:
    """Hold whatever was inherited; leave when told."""
    stop.recv()


def hold_then_idle(connection: Any, stop: Any) -> None:
    """Hold a connection that was given, and say so through it; leave when told."""
    connection.send("holding")
    stop.recv()


def put_a_queue_and_exit(target: Any, inner: Any) -> None:
    """Put a queue into a queue and do not live until somebody takes it."""
    target.put(inner)


def use_queue_from_queue(source: Any) -> None:
    """Take a queue out of a queue and put into it."""
    inner = source.get()
    inner.put("by way of a queue")
    source.put("done")


def use_connection_from_queue(source: Any) -> None:
    """Take a connection out of a queue and send through it."""
    with source.get() as connection:
        connection.send("by way of a queue")


def use_objects_from_connection(connection: Any) -> None:
    """Take a queue and a connection out of a connection and use both."""
    connection.recv().put("queue by way of a connection")
    with connection.recv() as other:
        other.send("connection by way of a connection")


def put_array(target: Any, size: int) -> None:
    """Put an array of ``size`` numbers that count up."""
    import numpy

    target.put(numpy.arange(size, dtype="int64"))
