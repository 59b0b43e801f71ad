"""mpire and pebble: pools of their own, built on multiprocessing.

Needs: mpire pebble
"""

import multiprocessing
import sys
import time
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool

import pebble
from mpire import WorkerPool


def square(number):
    return number * number


def add(shared, number):
    return shared + number


def sleep_long(seconds):
    time.sleep(seconds)


def leave():
    import os

    os._exit(3)


def main(method):
    with WorkerPool(2, start_method=method) as pool:
        assert pool.map(square, range(50)) == [n * n for n in range(50)]
        assert sorted(pool.imap_unordered(square, range(20))) == [n * n for n in range(20)]
    with WorkerPool(2, shared_objects=5, start_method=method) as pool:
        assert pool.map(add, range(5)) == [5, 6, 7, 8, 9]
    context = multiprocessing.get_context(method)
    with pebble.ProcessPool(2, context=context) as pool:
        assert list(pool.map(square, range(10)).result()) == [n * n for n in range(10)]
        try:
            pool.schedule(sleep_long, (100,), timeout=0.3).result()
        except futures.TimeoutError:
            pass
        else:
            raise AssertionError("the task was not timed out")
        try:
            pool.schedule(leave).result()
        except (pebble.ProcessExpired, BrokenProcessPool):
            pass  # the second when it sees the death before it has heard that the task began
        else:
            raise AssertionError("the death of the worker was lost")


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
