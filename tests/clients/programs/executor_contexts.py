"""concurrent.futures.ProcessPoolExecutor with our contexts, and a program that subclasses it."""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import procession

state = None


def begin(value):
    global state
    state = value


def read(number):
    return state + number


def leave():
    import os

    os._exit(3)


class Named(ProcessPoolExecutor):
    def submit(self, fn, /, *args, **kwargs):
        future = super().submit(fn, *args, **kwargs)
        future.name = getattr(fn, "__name__", "")
        return future


def main(method):
    context = procession.get_context(method)
    with Named(2, mp_context=context, initializer=begin, initargs=(10,)) as executor:
        futures = [executor.submit(read, n) for n in range(50)]
        assert sorted(f.result() for f in as_completed(futures)) == list(range(10, 60))
        assert futures[0].name == "read"
        assert list(executor.map(read, range(100), chunksize=7)) == list(range(10, 110))
        assert executor.submit(lambda: method).result() == method
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        try:
            executor.submit(leave).result()
        except BrokenProcessPool:
            pass
        else:
            raise AssertionError("the death of the worker was lost")


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
