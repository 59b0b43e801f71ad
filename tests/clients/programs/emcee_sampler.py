"""emcee and dynesty: samplers that take anything with a map.

Needs: emcee dynesty numpy
"""

import multiprocessing
import sys

import dynesty
import emcee
import numpy as np


def log_probability(theta):
    return -0.5 * float(np.sum(theta**2))


def prior_transform(u):
    return 10.0 * u - 5.0


def main(method):
    context = multiprocessing.get_context(method)
    start = np.random.default_rng(1).normal(size=(8, 2))
    with context.Pool(2) as pool:
        sampler = emcee.EnsembleSampler(8, 2, log_probability, pool=pool)
        sampler.run_mcmc(start, 50)
        chain = sampler.get_chain(flat=True)
        assert chain.shape == (400, 2), chain.shape
        nested = dynesty.NestedSampler(
            log_probability, prior_transform, 2, nlive=30, pool=pool, queue_size=2
        )
        nested.run_nested(dlogz=1.0, print_progress=False)
        assert abs(nested.results.logz[-1] - np.log(2 * np.pi / 100)) < 2
    # Its own pool spawns, whatever the program's start method is.
    with dynesty.pool.Pool(2, log_probability, prior_transform) as pool:
        nested = dynesty.NestedSampler(pool.loglike, pool.prior_transform, 2, nlive=30, pool=pool)
        nested.run_nested(dlogz=1.0, print_progress=False)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
