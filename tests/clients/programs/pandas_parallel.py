"""pandarallel and p_tqdm, which make their pools themselves.

Needs: pandarallel p_tqdm pandas
"""

import sys

import pandas as pd
from p_tqdm import p_map, p_umap
from pandarallel import pandarallel


def add(first, second):
    return first + second


def main(method):
    pandarallel.initialize(nb_workers=2, progress_bar=False, verbose=0)
    frame = pd.DataFrame({"a": range(100), "b": [1, 2] * 50})
    twice = frame.parallel_apply(lambda row: row["a"] * 2, axis=1)
    assert twice.tolist() == [2 * n for n in range(100)]
    groups = frame.groupby("b").parallel_apply(lambda part: part["a"].sum())
    assert groups.tolist() == frame.groupby("b")["a"].sum().tolist()
    assert frame["a"].parallel_map(lambda value: value + 1).sum() == 5050
    assert p_map(add, [1, 2, 3], [10, 20, 30], num_cpus=2) == [11, 22, 33]
    assert sorted(p_umap(lambda n: n * n, range(5), num_cpus=2)) == [0, 1, 4, 9, 16]


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
