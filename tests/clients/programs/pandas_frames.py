"""pandas: frames through queues, pipes and pools, as people split and concatenate them.

Needs: pandas numpy
"""

import multiprocessing
import sys

import numpy as np
import pandas as pd


def grown(frame):
    frame = frame.copy()
    frame["twice"] = frame["a"] * 2
    return frame


def one_group(item):
    name, frame = item
    return name, frame["a"].sum()


def echo(connection, queue):
    queue.put(connection.recv())


def main(method):
    context = multiprocessing.get_context(method)
    frame = pd.DataFrame(
        {
            "a": np.arange(10_000),
            "b": pd.Categorical(["x", "y"] * 5_000),
            "t": pd.date_range("2020-01-01", periods=10_000, freq="s"),
            "s": [f"row {n}" for n in range(10_000)],
        }
    )
    with context.Pool(2) as pool:
        parts = [frame.iloc[start : start + 2500] for start in range(0, 10_000, 2500)]
        whole = pd.concat(pool.map(grown, parts))
        pd.testing.assert_frame_equal(whole, grown(frame))
        groups = dict(pool.imap_unordered(one_group, frame.groupby("b", observed=True)))
    assert groups == frame.groupby("b", observed=True)["a"].sum().to_dict()
    ours, theirs = context.Pipe()
    queue = context.Queue()
    process = context.Process(target=echo, args=(theirs, queue))
    process.start()
    ours.send(frame)
    back = queue.get(timeout=60)
    process.join()
    pd.testing.assert_frame_equal(frame, back)
    back["a"] += 1  # what arrives can be changed
    assert back["a"].iloc[0] == 1


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
