"""tensordict: dictionaries of shared tensors, and its map in processes.

Needs: tensordict torch
"""

import multiprocessing
import sys

import torch
from tensordict import TensorDict


def fill(tensors):
    tensors["a"].fill_(5.0)


def twice(tensors):
    return tensors * 2


def main(method):
    multiprocessing.set_start_method(method)
    tensors = TensorDict({"a": torch.ones(10, 3)}, batch_size=[10]).share_memory_()
    process = multiprocessing.Process(target=fill, args=(tensors,))
    process.start()
    process.join()
    assert tensors["a"].sum() == 150
    mapped = tensors.map(twice, num_workers=2, mp_start_method=method)
    assert mapped["a"].sum() == 300


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
