"""PyTorch's DataLoader: workers, tensors through shared memory, both sharing strategies.

Needs: torch numpy
"""

import multiprocessing
import sys

import numpy as np
import torch
import torch.multiprocessing
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Squares(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == 1000:
            raise IndexError(index)
        return torch.full((64, 64), float(index)), {
            "square": index * index,
            "name": f"item {index}",
        }


class Counting(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        yield from range(info.id, 20, info.num_workers)


class Failing(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        raise KeyError(f"no item {index}")


class Arrays(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return np.full(100_000, index)


def seed(worker_id):
    torch.manual_seed(worker_id)


def check_order_and_sharing(context):
    loader = DataLoader(
        Squares(),
        batch_size=4,
        num_workers=2,
        multiprocessing_context=context,
        worker_init_fn=seed,
        persistent_workers=True,
        prefetch_factor=3,
    )
    for _epoch in range(2):
        seen = []
        for tensors, labels in loader:
            assert tensors.shape == (4, 64, 64), tensors.shape
            assert tensors.is_shared()
            assert len(labels["name"]) == 4
            seen += labels["square"].tolist()
        assert seen == [n * n for n in range(40)], seen


def check_iterable(context):
    loader = DataLoader(Counting(), batch_size=None, num_workers=2, multiprocessing_context=context)
    assert sorted(loader) == list(range(20))


def check_arrays(context):
    loader = DataLoader(Arrays(), batch_size=2, num_workers=2, multiprocessing_context=context)
    assert [int(batch[0, 0]) for batch in loader] == [0, 2, 4, 6]


def check_error(context):
    loader = DataLoader(Failing(), num_workers=1, multiprocessing_context=context)
    try:
        list(loader)
    except KeyError as error:
        assert "no item 0" in str(error), error
        assert "Traceback" in str(error), error
    else:
        raise AssertionError("the worker's error was lost")


def check_leaving_early(context):
    iterator = iter(DataLoader(Squares(), num_workers=2, multiprocessing_context=context))
    next(iterator)
    del iterator


def main(method):
    context = multiprocessing.get_context(method)
    for strategy in sorted(torch.multiprocessing.get_all_sharing_strategies()):
        torch.multiprocessing.set_sharing_strategy(strategy)
        for given in (context, method):
            check_order_and_sharing(given)
            check_iterable(given)
    check_arrays(context)
    check_error(context)
    check_leaving_early(context)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
