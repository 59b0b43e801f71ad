"""Ask a pool for single results: callbacks for what succeeds, and for what fails.

Run it: ``python pool_callbacks.py [fork | spawn | forkserver]``

apply_async() returns at once.  The callbacks run in the parent, one at a time.
"""

import math
import sys

import procession as multiprocessing


def root(x):
    return math.sqrt(x)


def succeeded(result):
    print(f"callback: {result}", flush=True)


def failed(error):
    print(f"error callback: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        for x in (16, -1, 25):
            pool.apply_async(root, (x,), callback=succeeded, error_callback=failed)
        pool.close()
        pool.join()

    with multiprocessing.Pool(2) as pool:
        answer = pool.apply_async(root, (-1,))
        try:
            answer.get(timeout=30)
        except ValueError as error:
            print(f"get() raised {type(error).__name__}: {error}")
