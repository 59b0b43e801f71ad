"""What programs do with numbers, arrays, blocks, managers, signals, subclasses and logs.

Needs: numpy pandas tqdm
"""

import asyncio
import ctypes
import functools
import logging
import multiprocessing
import multiprocessing.pool
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Array, Pool, Process, Queue, Value, shared_memory
from multiprocessing.managers import BaseManager, NamespaceProxy

import numpy as np
import pandas as pd
from tqdm.contrib.concurrent import process_map


def square(x):
    return x * x


def take_array(array, shape):
    global rows
    rows = np.frombuffer(array.get_obj(), dtype="d").reshape(shape)


def fill_row(i):
    rows[i] = i
    return float(rows[i].sum())


def fill_block(name, shape):
    block = shared_memory.SharedMemory(name=name)
    array = np.ndarray(shape, dtype="i8", buffer=block.buf)
    array[:] = 7
    del array
    block.close()


class Worker(Process):
    """A process with attributes of its own."""

    def __init__(self, settings, answers):
        super().__init__(name="worker", daemon=True)
        self.settings = settings
        self.answers = answers

    def run(self):
        self.answers.put((self.settings, self.name, multiprocessing.current_process().name))


class Account:
    def __init__(self, money=0):
        self._money = money
        self.owner = "nobody"

    def add(self, money):
        self._money += money
        return self._money


class AccountProxy(NamespaceProxy):
    _exposed_ = ("__getattribute__", "__setattr__", "__delattr__", "add")

    def add(self, money):
        return self._callmethod("add", (money,))


class Bank(BaseManager):
    pass


Bank.register("Account", Account, AccountProxy)
Bank.register("Simple", Account)


def use_account(account):
    account.add(5)
    account.owner = "child"


def count_until(end, number):
    while not end.wait(0.01):
        with number.get_lock():
            number.value += 1


def log_a_line(x):
    multiprocessing.get_logger().info("line %s", x)


def sum_group(group):
    return group[0], int(group[1]["v"].sum())


def run(process):
    process.start()
    process.join()
    return process.exitcode


def check_memory():
    array = Array(ctypes.c_double, 12)
    with Pool(2, take_array, (array, (3, 4))) as pool:
        assert pool.map(fill_row, range(3)) == [0, 4, 8]
    assert np.frombuffer(array.get_obj()).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    block = shared_memory.SharedMemory(create=True, size=800)
    assert run(Process(target=fill_block, args=(block.name, (100,)))) == 0
    assert np.ndarray((100,), "i8", buffer=block.buf).sum() == 700
    block.close()
    block.unlink()
    end, number = multiprocessing.Event(), Value("i")
    counters = [Process(target=count_until, args=(end, number)) for _ in range(2)]
    for counter in counters:
        counter.start()
    while number.value < 4:
        time.sleep(0.01)
    end.set()
    for counter in counters:
        counter.join()
    assert [counter.exitcode for counter in counters] == [0, 0]


def check_classes():
    answers = Queue()
    worker = Worker({"a": 1}, answers)
    worker.start()
    assert answers.get() == ({"a": 1}, "worker", "worker")
    worker.join()
    assert worker.settings == {"a": 1}
    with Bank() as bank:
        account, simple = bank.Account(), bank.Simple(2)
        run(Process(target=use_account, args=(account,)))
        assert (account.add(1), account.owner, simple.add(1)) == (6, "child", 3)


def check_pools(method):
    caught = []
    before = signal.signal(signal.SIGTERM, lambda *_: caught.append(1))
    with Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    pool.join()
    signal.signal(signal.SIGTERM, before)
    assert not caught, "ending the pool ran the handler of its parent"

    async def squares():
        loop = asyncio.get_running_loop()
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            runs = (loop.run_in_executor(executor, square, i) for i in range(4))
            return await asyncio.gather(*runs)

    assert asyncio.run(squares()) == [0, 1, 4, 9]
    assert process_map(square, range(4), max_workers=2, disable=True) == [0, 1, 4, 9]
    frame = pd.DataFrame({"g": [1, 1, 2], "v": [1, 2, 3]})
    with Pool(2) as pool:
        assert pool.map(sum_group, frame.groupby("g")) == [(1, 3), (2, 3)]
        pieces = [frame[:2], frame[2:]]
        added = pool.map(functools.partial(pd.DataFrame.assign, w=1), pieces)
        assert pd.concat(added)["w"].sum() == 3
    with multiprocessing.pool.ThreadPool(2) as threads:
        assert threads.map(square, range(3)) == [0, 1, 4]


def main(method):
    multiprocessing.set_start_method("spawn", force=True)
    multiprocessing.set_start_method(method, force=True)
    assert multiprocessing.get_start_method() == method
    check_memory()
    check_classes()
    check_pools(method)
    assert run(Process(target=sys.exit, args=(3,))) == 3
    multiprocessing.log_to_stderr(logging.INFO)
    run(Process(target=log_a_line, args=(3,)))


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main(sys.argv[1])
    print("passed")
