"""PyMC: chains in processes, over pipes, with the step methods by cloudpickle.

Needs: pymc
"""

import sys

import pymc


def main(method):
    with pymc.Model():
        mean = pymc.Normal("mean", 0, 1)
        pymc.Normal("seen", mean, 1, observed=[0.5, 1.0, 1.5])
        trace = pymc.sample(
            50, tune=50, chains=2, cores=2, progressbar=False, random_seed=1, mp_ctx=method
        )
    assert trace.posterior["mean"].shape == (2, 50)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
