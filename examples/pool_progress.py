"""See the results of a pool as they come, with a line of progress.

Run it: ``python pool_progress.py [fork | spawn | forkserver]``

imap_unordered() yields whatever is ready first.  (With tqdm installed the same is
``for number, divisors in tqdm(pool.imap_unordered(...), total=len(numbers))``.)
"""

import sys

import procession as multiprocessing


def count_divisors(number):
    return number, sum(number % divisor == 0 for divisor in range(1, number + 1))


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    numbers = range(1, 2001)
    best = (0, 0)
    with multiprocessing.Pool() as pool:
        results = pool.imap_unordered(count_divisors, numbers, chunksize=20)
        for done, (number, divisors) in enumerate(results, 1):
            best = max(best, (divisors, -number))
            if done % 500 == 0:
                print(f"{done:4} of {len(numbers)}", flush=True)
    divisors, number = best
    print(f"{-number} has {divisors} divisors, more than any smaller number")
