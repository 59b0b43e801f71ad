"""joblib's own backends beside us: multiprocessing (a subclass of Pool) and loky.

Needs: joblib scikit-learn numpy
"""

import multiprocessing
import sys

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score


def total(array, factor):
    return float(array.sum()) * factor


def failing(number):
    raise ValueError(f"item {number}")


def main(method):
    multiprocessing.set_start_method(method)
    big = np.ones(400_000)
    for backend in ("multiprocessing", "loky"):
        with parallel_config(backend=backend, n_jobs=2):
            expected = [400_000.0 * n for n in range(6)]
            assert Parallel()(delayed(total)(big, n) for n in range(6)) == expected
            assert Parallel()(delayed(abs)(n) for n in range(-50, 0)) == list(range(50, 0, -1))
            try:
                Parallel()(delayed(failing)(n) for n in range(3))
            except ValueError as error:
                assert "item" in str(error), error
            else:
                raise AssertionError("the error was lost")
            x = np.random.default_rng(1).normal(size=(60, 3))
            y = (x[:, 0] > 0).astype(int)
            scores = cross_val_score(RandomForestClassifier(5, random_state=1), x, y, cv=3)
            assert scores.mean() > 0.6, scores


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
