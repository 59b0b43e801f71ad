"""joblib and scikit-learn on the ``procession`` backend.

Needs: joblib scikit-learn numpy
"""

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVC

import procession.joblib


def square(number):
    return number * number


def failing(number):
    if number == 3:
        raise ValueError("item 3")
    time.sleep(0.01)
    return number


def sum_of_squares(number):
    return sum(Parallel(n_jobs=2)(delayed(square)(n) for n in range(number)))


def sum_in_processes(number):
    with parallel_config(backend="procession"):
        return sum_of_squares(number)


def threads():
    return os.environ["OMP_NUM_THREADS"]


def expect(error, call):
    try:
        call()
    except error as caught:
        return str(caught)
    raise AssertionError(f"{error} was not raised")


def check_calls():
    squares = [n * n for n in range(1000)]
    assert Parallel()(delayed(square)(n) for n in range(1000)) == squares
    offset = 5
    assert Parallel()(delayed(lambda n: n + offset)(n) for n in range(5)) == [5, 6, 7, 8, 9]
    assert (
        list(Parallel(return_as="generator")(delayed(square)(n) for n in range(9))) == squares[:9]
    )
    unordered = Parallel(return_as="generator_unordered")(delayed(square)(n) for n in range(9))
    assert sorted(unordered) == squares[:9]
    assert Parallel(n_jobs=1)(delayed(square)(n) for n in range(9)) == squares[:9]
    first = set(Parallel()(delayed(os.getpid)() for _ in range(20)))
    second = set(Parallel()(delayed(os.getpid)() for _ in range(20)))
    assert len(first | second) <= 2, "workers were not used again"
    assert os.getpid() not in first


def check_numbers():
    assert joblib.effective_n_jobs(-1) == joblib.cpu_count()
    assert joblib.effective_n_jobs(3) == 3
    assert joblib.effective_n_jobs(None) == 2
    assert len(Parallel(n_jobs=-1)(delayed(square)(n) for n in range(9))) == 9


def check_nesting():
    expected = [0, 0, 1, 5]
    assert Parallel()(delayed(sum_of_squares)(n) for n in range(4)) == expected
    assert Parallel()(delayed(sum_in_processes)(n) for n in range(4)) == expected


def check_errors():
    calls = [delayed(failing)(n) for n in range(100)]
    assert "item 3" in expect(ValueError, lambda: Parallel()(calls))
    expect(
        multiprocessing.TimeoutError, lambda: Parallel(timeout=0.2)([delayed(time.sleep)(60)] * 2)
    )
    with Parallel() as parallel:
        for _ in range(3):
            expect(ValueError, lambda: parallel(calls))
            assert parallel(delayed(square)(n) for n in range(3)) == [0, 1, 4]
    abandoned = Parallel(return_as="generator")(delayed(failing)(n) for n in range(4, 40))
    next(abandoned)
    del abandoned
    assert Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]


def check_learning():
    x, y = make_classification(200, 5, random_state=1)
    assert cross_val_score(RandomForestClassifier(5, random_state=1), x, y, cv=3).mean() > 0.7
    assert GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, cv=3).fit(x, y).best_score_ > 0.7
    # OpenMP, used here before and in the workers, which therefore must be no forks of this process.
    model = HistGradientBoostingClassifier(max_iter=3)
    model.fit(x, y)
    assert cross_val_score(model, x, y, cv=3).mean() > 0.7


def total(array, number):
    return float(array.sum()) + number


def add_one(array):
    array += 1
    return float(array[0])


def file_of(array):
    """The inode of the file that an array of this process lies in."""
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= address < last:
            return line.split()[4]
    raise AssertionError("an array at no address")


def write_sum(array, sums, row):
    sums[row] = array[row].sum()


def check_arrays():
    big = np.ones(400_000)
    assert Parallel()(delayed(total)(big, n) for n in range(9)) == [400_000.0 + n for n in range(9)]
    # Once in memory from the second batch on, and yet every task has it to itself.
    files = Parallel(batch_size=1)(delayed(file_of)(big) for _ in range(9))
    assert len(set(files[1:])) == 1
    assert Parallel(batch_size=1)(delayed(add_one)(big) for _ in range(9)) == [2.0] * 9
    assert big.min() == big.max() == 1
    with Parallel(batch_size=1) as parallel:
        for number in range(4):
            big[:] = number
            assert parallel(delayed(total)(big, 0) for _ in range(6)) == [400_000.0 * number] * 6
    temporary = (delayed(total)(np.full(400_000, n), 0) for n in range(9))
    assert Parallel(batch_size=1)(temporary) == [400_000.0 * n for n in range(9)]


def check_mapped_files(folder):
    """From joblib's documentation: results that are written into a file which all have mapped."""
    data = np.arange(400_000.0).reshape(4, -1)
    joblib.dump(data, folder / "data")
    mapped = joblib.load(folder / "data", mmap_mode="r")
    sums = np.memmap(folder / "sums", dtype=float, shape=4, mode="w+")
    Parallel()(delayed(write_sum)(mapped, sums, row) for row in range(4))
    assert (sums == data.sum(axis=1)).all()
    private = np.memmap(folder / "sums", dtype=float, shape=4, mode="c")
    private[:] = 1
    assert Parallel()(delayed(total)(private, n) for n in range(2)) == [4.0, 5.0]


def main(method):
    procession.joblib.register()
    with parallel_config(backend="procession", n_jobs=2, start_method=method):
        check_calls()
        check_numbers()
        check_nesting()
        check_errors()
        check_arrays()
        with tempfile.TemporaryDirectory() as folder:
            check_mapped_files(Path(folder))
        if method != "fork":
            check_learning()
    with parallel_config(backend="procession", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()([delayed(threads)()]) == ["3"]


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
