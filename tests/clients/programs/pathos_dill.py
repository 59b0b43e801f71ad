"""pathos and dill: their pools beside ours, and dill's functions through our queues.

Needs: pathos dill
"""

import multiprocessing
import sys

import dill
from pathos.multiprocessing import ProcessPool


def run_dilled(payload):
    function, args = dill.loads(payload)
    return function(*args)


def main(method):
    offset = 10
    pathos = ProcessPool(2)
    assert list(pathos.map(lambda x: x + offset, range(5))) == [10, 11, 12, 13, 14]
    pathos.close()
    pathos.join()
    pathos.clear()
    dilled = [dill.dumps((lambda x: x * offset, (n,))) for n in range(5)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(run_dilled, dilled) == [0, 10, 20, 30, 40]
        # dill has registered its reducers with pickle by now; ours go on to work.
        assert pool.map(lambda x: x + offset, range(5)) == [10, 11, 12, 13, 14]


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
