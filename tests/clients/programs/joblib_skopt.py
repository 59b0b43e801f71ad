"""scikit-optimize, a user of joblib, on the ``procession`` backend.

Needs: joblib scikit-learn scikit-optimize
"""

import sys
import warnings

from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.svm import SVC
from skopt import BayesSearchCV, Optimizer, gp_minimize

import procession.joblib


def bowl(point):
    return (point[0] - 1) ** 2


def main(method):
    warnings.simplefilter("ignore")  # of skopt, about versions of scikit-learn
    procession.joblib.register()
    with parallel_config(backend="procession", n_jobs=2, start_method=method):
        found = gp_minimize(bowl, [(-3.0, 3.0)], n_calls=12, n_jobs=2, random_state=0)
        assert found.fun < 0.5
        optimizer = Optimizer([(-3.0, 3.0)], random_state=0)
        for _ in range(2):
            points = optimizer.ask(4)
            optimizer.tell(points, Parallel()(delayed(bowl)(point) for point in points))
        assert len(optimizer.yi) == 8
        space = {"C": (1e-2, 1e2, "log-uniform")}
        search = BayesSearchCV(SVC(), space, n_iter=4, n_points=2, cv=2, n_jobs=2, random_state=0)
        assert search.fit(*load_iris(return_X_y=True)).best_score_ > 0.9


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
