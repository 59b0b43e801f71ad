"""SciPy's `workers`: a map of a pool, or a number of processes of its own.

Needs: scipy numpy
"""

import multiprocessing
import sys

import numpy as np
from scipy.integrate import quad_vec
from scipy.optimize import brute, differential_evolution, rosen


def valley(x):
    return float(np.sum((np.asarray(x) - 0.5) ** 2))


def main(method):
    multiprocessing.set_start_method(method)
    bounds = [(0, 2), (0, 2)]
    with multiprocessing.Pool(2) as pool:
        found = differential_evolution(
            rosen, bounds, workers=pool.map, updating="deferred", rng=1, maxiter=60
        )
        lowest = brute(valley, ((0, 1), (0, 1)), Ns=5, workers=pool.map, finish=None)
    assert np.allclose(found.x, 1, atol=1e-2), found
    assert np.allclose(lowest, 0.5), lowest
    own = differential_evolution(valley, bounds, workers=2, updating="deferred", rng=1, maxiter=20)
    assert np.allclose(own.x, 0.5, atol=0.1), own
    total, _ = quad_vec(np.exp, 0.0, 1.0, workers=2)
    assert abs(total - (np.e - 1)) < 1e-9, total
    try:
        differential_evolution(failing, bounds, workers=2, updating="deferred", rng=1)
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the error of the function was lost")


def failing(x):
    return 1 / 0


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
