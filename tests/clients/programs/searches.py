"""Searches: pymoo over starmap, deap's toolbox map, CMA-ES' EvalParallel2, nevergrad's executor.

Needs: pymoo deap cma nevergrad numpy
"""

import multiprocessing
import random
import sys
from concurrent.futures import ProcessPoolExecutor

import cma
import nevergrad
import numpy as np
from cma.optimization_tools import EvalParallel2
from deap import base, creator, tools
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import ElementwiseProblem
from pymoo.optimize import minimize
from pymoo.parallelization.starmap import StarmapParallelization

creator.create("Least", base.Fitness, weights=(-1.0,))
creator.create("Individual", list, fitness=creator.Least)


class Bowl(ElementwiseProblem):
    def __init__(self, **options):
        super().__init__(n_var=2, n_obj=1, xl=-1, xu=1, **options)

    def _evaluate(self, x, out, *_, **__):
        out["F"] = float(np.sum(x**2))


def bowl(x):
    return float(np.sum(np.asarray(x) ** 2))


def bowl_of_deap(individual):
    return (sum(x * x for x in individual),)


def main(method):
    multiprocessing.set_start_method(method)
    with multiprocessing.Pool(2) as pool:
        problem = Bowl(elementwise_runner=StarmapParallelization(pool.starmap))
        assert minimize(problem, GA(pop_size=10), ("n_gen", 10), seed=1).F[0] < 0.1
        toolbox = base.Toolbox()
        toolbox.register("map", pool.map)
        population = [creator.Individual([random.random() for _ in range(3)]) for _ in range(20)]
        for individual, fitness in zip(
            population, toolbox.map(bowl_of_deap, population), strict=True
        ):
            individual.fitness.values = fitness
        best = tools.selBest(population, 1)[0]
        assert best.fitness.values[0] == min(i.fitness.values[0] for i in population)
    search = cma.CMAEvolutionStrategy(2 * [1.0], 0.5, {"maxiter": 10, "verbose": -9, "seed": 1})
    with EvalParallel2(bowl, 2) as evaluate:
        while not search.stop():
            points = search.ask()
            search.tell(points, evaluate(points))
    assert search.result.fbest < 0.5
    optimizer = nevergrad.optimizers.OnePlusOne(parametrization=2, budget=20, num_workers=2)
    with ProcessPoolExecutor(2) as executor:
        assert optimizer.minimize(bowl, executor=executor).value.shape == (2,)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
