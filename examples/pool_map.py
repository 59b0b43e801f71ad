"""Five workers square the numbers of a list; each says which process it is."""

import os
import sys
import time

from procession import Pool, set_start_method


def square(x: int) -> int:
    """Return the square of a number; say who worked it out."""
    print(f"pid {os.getpid()} squares {x}", flush=True)
    time.sleep(0.1)  # hard work; meanwhile others take the other numbers
    return x * x


if __name__ == "__main__":
    if sys.argv[1:]:  # python pool_map.py [fork | spawn | forkserver]
        set_start_method(sys.argv[1])
    with Pool(5) as pool:
        print(pool.map(square, [1, 2, 3]))
