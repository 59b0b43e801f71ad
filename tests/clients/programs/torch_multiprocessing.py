"""torch.multiprocessing: tensors through queues, pipes and pools, Hogwild, spawn().

Needs: torch
"""

import multiprocessing
import sys

import torch
import torch.multiprocessing as mp
from torch import nn


def fill(tensor, value):
    tensor.fill_(value)


def produce(queue, done):
    queue.put(torch.arange(1000))
    queue.put([torch.ones(3), {"w": torch.zeros(2, 2)}])
    done.wait(30)


def train(model, rank):
    torch.manual_seed(rank)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        loss = (model(torch.ones(4, 3)) - 1).square().mean()
        loss.backward()
        optimizer.step()


def twice(tensor):
    return tensor * 2


def ranked(rank, queue, offset):
    queue.put(rank + offset)


def failing(rank):
    if rank == 1:
        raise ValueError("rank 1 has failed")


def check_shared_tensor(context):
    tensor = torch.zeros(1000).share_memory_()
    process = context.Process(target=fill, args=(tensor, 7.0))
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode
    assert tensor.sum().item() == 7000.0


def check_queue(context):
    queue, done = context.Queue(), context.Event()
    process = context.Process(target=produce, args=(queue, done))
    process.start()
    assert queue.get(timeout=60).sum().item() == 499500
    ones, mapping = queue.get(timeout=60)
    assert ones.sum().item() == 3.0
    assert mapping["w"].shape == (2, 2)
    done.set()
    process.join()
    assert process.exitcode == 0, process.exitcode


def check_training(context):
    model = nn.Linear(3, 1)
    model.share_memory()
    before = model.weight.detach().clone()
    processes = [context.Process(target=train, args=(model, rank)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0, process.exitcode
    assert not torch.equal(before, model.weight)


def check_pool(context):
    with context.Pool(2) as pool:
        results = pool.map(twice, [torch.full((3,), float(n)) for n in range(4)])
    assert [int(tensor[0]) for tensor in results] == [0, 2, 4, 6]


def check_torch_pool(method):
    # PyTorch's own subclass of Pool, which looks into its queues.
    with mp.get_context(method).Pool(2) as pool:
        results = pool.map(twice, [torch.full((3,), float(n)) for n in range(4)])
    assert [int(tensor[0]) for tensor in results] == [0, 2, 4, 6]


def check_start_processes(method):
    queue = mp.get_context(method).SimpleQueue()
    mp.start_processes(ranked, args=(queue, 10), nprocs=2, start_method=method)
    assert sorted([queue.get(), queue.get()]) == [10, 11]
    try:
        mp.start_processes(failing, nprocs=2, start_method=method)
    except mp.ProcessRaisedException as error:
        assert "rank 1 has failed" in str(error)
    else:
        raise AssertionError("the error was lost")


def main(method):
    context = multiprocessing.get_context(method)
    check_shared_tensor(context)
    check_queue(context)
    check_training(context)
    check_pool(context)
    check_torch_pool(method)
    check_start_processes(method)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
