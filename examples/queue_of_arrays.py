"""NumPy arrays through a queue: a child makes pictures, the parent works on them in place.

Run it: ``python queue_of_arrays.py [fork | spawn | forkserver]``

An array is copied once, into shared memory.  What the parent gets is an ordinary,
writable array; its memory is given back when the array is gone.
"""

import sys

import procession as multiprocessing

try:
    import numpy
except ImportError:
    sys.exit("This example needs NumPy: pip install numpy")


def make_pictures(queue, count):
    for number in range(count):
        queue.put(numpy.full((1000, 1000), number, dtype=numpy.float32))
    queue.put(None)  # no more


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    queue = multiprocessing.Queue()
    painter = multiprocessing.Process(target=make_pictures, args=(queue, 5))
    painter.start()
    while (picture := queue.get()) is not None:
        picture += 0.5  # it is ours to change
        print(f"{picture.shape} {picture.dtype}, mean {picture.mean():.1f}")
    painter.join()
