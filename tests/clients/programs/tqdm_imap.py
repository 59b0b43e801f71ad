"""tqdm over imap, and its own process_map and locks shared with workers.

Needs: tqdm
"""

import multiprocessing
import sys
import time

from tqdm import tqdm
from tqdm.contrib.concurrent import process_map


def square(number):
    return number * number


def slow(position):
    for _ in tqdm(range(20), position=position, desc=f"bar {position}"):
        time.sleep(0.001)
    return position


def main(method):
    multiprocessing.set_start_method(method)
    with multiprocessing.Pool(2) as pool:
        assert list(tqdm(pool.imap(square, range(200)), total=200)) == [n * n for n in range(200)]
        unordered = tqdm(pool.imap_unordered(square, range(200), chunksize=7), total=200)
        assert sorted(unordered) == [n * n for n in range(200)]
    assert process_map(square, range(50), max_workers=2, chunksize=5) == [n * n for n in range(50)]
    tqdm.set_lock(multiprocessing.RLock())
    with multiprocessing.Pool(2, initializer=tqdm.set_lock, initargs=(tqdm.get_lock(),)) as pool:
        assert pool.map(slow, range(4)) == list(range(4))


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
