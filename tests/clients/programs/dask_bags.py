"""dask's scheduler of processes, and a pool given to it; xarray with it.

Needs: dask xarray numpy cloudpickle
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import dask
import dask.array
import numpy as np
import xarray


@dask.delayed
def square(number):
    return number * number


@dask.delayed
def total(numbers):
    return sum(numbers)


def main(method):
    multiprocessing.set_start_method(method)
    work = total([square(n) for n in range(10)])
    dask.config.set({"multiprocessing.context": method})
    assert work.compute(scheduler="processes", num_workers=2) == 285
    with multiprocessing.Pool(2) as pool, dask.config.set(pool=pool, scheduler="processes"):
        assert work.compute() == 285
    with (
        ProcessPoolExecutor(2) as executor,
        dask.config.set(pool=executor, scheduler="processes"),
    ):
        assert work.compute() == 285
        array = dask.array.ones((400, 400), chunks=(100, 100))
        assert float((array + array.T).sum().compute()) == 320_000
        data = xarray.DataArray(np.arange(100.0), dims="x").chunk({"x": 25})
        assert float((data * 2).sum().compute()) == 9900


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
