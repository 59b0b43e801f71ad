"""What the documentation of multiprocessing shows, in programs of our own, one after the other."""

import multiprocessing
import multiprocessing.connection
import os
import queue
import sys
import time
from ctypes import Structure, c_double
from multiprocessing import managers, shared_memory, sharedctypes


class Point(Structure):
    _fields_ = [("x", c_double), ("y", c_double)]


class Sums:
    def add(self, first, second):
        return first + second


class Sharing(managers.BaseManager):
    pass


Sharing.register("Sums", Sums)


def report(lines, title):
    lines.put((title, os.getppid(), os.getpid()))


def talk(connection):
    connection.send([42, None, "hello"])
    connection.close()


def print_in_turn(lock, lines, number):
    with lock:
        lines.put(number)


def change(number, array, mapping, items):
    number.value = 3.1415927
    for index in range(len(array)):
        array[index] = -array[index]
    mapping["a"] = 1
    items.reverse()


def change_shared(number, point, points):
    number.value **= 2
    point.x += 1
    with points.get_lock():
        for each in points:
            each.x, each.y = each.y, each.x


def fill_block(name):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:4] = b"done"
    block.close()


def work(tasks, results):
    for function, arguments in iter(tasks.get, "STOP"):
        results.put((multiprocessing.current_process().name, function(*arguments)))


def consume(tasks, results):
    while (task := tasks.get()) is not None:
        results.put(task * 2)
        tasks.task_done()
    tasks.task_done()


def add(first, second):
    return first + second


def stage(event, barrier, lines):
    event.wait()
    barrier.wait()
    lines.put("through")


def count(condition, counter):
    with condition:
        counter.value += 1
        condition.notify_all()


def answer(address, ready):
    with multiprocessing.connection.Listener(address, authkey=b"secret") as listener:
        ready.set()
        with listener.accept() as connection:
            connection.send(["numbers", connection.recv() + 1])


def processes_and_queues(context):
    lines = context.Queue()
    child = context.Process(target=report, args=(lines, "child"), name="reporter")
    assert not child.is_alive()
    child.start()
    _, parent, pid = lines.get(timeout=60)
    child.join()
    assert pid == child.pid
    assert parent == os.getpid() or context.get_start_method() == "forkserver"
    assert child.exitcode == 0
    ours, theirs = context.Pipe()
    child = context.Process(target=talk, args=(theirs,))
    child.start()
    theirs.close()
    assert ours.recv() == [42, None, "hello"]
    child.join()
    lock = context.Lock()
    children = [context.Process(target=print_in_turn, args=(lock, lines, n)) for n in range(5)]
    for child in children:
        child.start()
    assert sorted(lines.get(timeout=60) for _ in children) == list(range(5))
    for child in children:
        child.join()


def shared_state(context):
    number, array = context.Value("d", 0.0), context.Array("i", range(5))
    with context.Manager() as manager:
        mapping, items = manager.dict(), manager.list(range(3))
        child = context.Process(target=change, args=(number, array, mapping, items))
        child.start()
        child.join()
        assert (number.value, array[:]) == (3.1415927, [0, -1, -2, -3, -4])
        assert (dict(mapping), list(items)) == ({"a": 1}, [2, 1, 0])
    lock = context.RLock()
    square = sharedctypes.Value("i", 7, lock=lock, ctx=context)
    point = sharedctypes.Value(Point, 1.0, 2.0, lock=False)
    points = sharedctypes.Array(Point, [(1, 2), (3, 4)], lock=lock, ctx=context)
    child = context.Process(target=change_shared, args=(square, point, points))
    child.start()
    child.join()
    assert (square.value, point.x) == (49, 2.0)
    assert [(each.x, each.y) for each in points] == [(2.0, 1.0), (4.0, 3.0)]
    block = shared_memory.SharedMemory(create=True, size=16)
    child = context.Process(target=fill_block, args=(block.name,))
    child.start()
    child.join()
    assert bytes(block.buf[:4]) == b"done"
    block.close()
    block.unlink()


def worker_queues(context):
    tasks, results = context.Queue(), context.Queue()
    for number in range(20):
        tasks.put((add, (number, 1)))
    workers = [context.Process(target=work, args=(tasks, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert sorted(results.get(timeout=60)[1] for _ in range(20)) == list(range(1, 21))
    for _ in workers:
        tasks.put("STOP")
    for worker in workers:
        worker.join()
    joinable = context.JoinableQueue()
    consumers = [context.Process(target=consume, args=(joinable, results)) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    for number in [*range(10), None, None]:
        joinable.put(number)
    joinable.join()
    assert sorted(results.get() for _ in range(10)) == list(range(0, 20, 2))
    try:
        results.get(timeout=0.01)
    except queue.Empty:
        pass
    for consumer in consumers:
        consumer.join()


def pools(context):
    with context.Pool(processes=3) as pool:
        assert pool.apply(add, (1, 2)) == 3
        assert pool.starmap(add, [(n, n) for n in range(10)]) == list(range(0, 20, 2))
        assert list(pool.imap(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
        assert sorted(pool.imap_unordered(abs, range(-5, 0))) == [1, 2, 3, 4, 5]
        seen = []
        pool.map_async(abs, [-1, -2], callback=seen.extend).wait()
        assert seen == [1, 2]
        try:
            pool.apply_async(time.sleep, (10,)).get(timeout=0.05)
        except multiprocessing.TimeoutError:
            pass
        else:
            raise AssertionError("no time-out")
        try:
            pool.apply(divmod, (1, 0))
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("no error")
    pool = context.Pool(2)
    pool.close()
    try:
        pool.apply(abs, (1,))
    except ValueError:
        pass
    pool.join()


def synchronisation(context):
    event, barrier, lines = context.Event(), context.Barrier(3), context.SimpleQueue()
    children = [context.Process(target=stage, args=(event, barrier, lines)) for _ in range(2)]
    for child in children:
        child.start()
    event.set()
    barrier.wait(60)
    assert [lines.get() for _ in children] == ["through", "through"]
    condition, counter = context.Condition(), context.Value("i", 0)
    children += [context.Process(target=count, args=(condition, counter)) for _ in range(3)]
    for child in children[2:]:
        child.start()
    with condition:
        assert condition.wait_for(lambda: counter.value == 3, timeout=60)
    for child in children:
        child.join()
        assert child.exitcode == 0


def servers(context):
    with Sharing(ctx=context) as sharing:
        assert sharing.Sums().add(2, 3) == 5
    address, ready = f"\0documentation-{os.getpid()}", context.Event()
    child = context.Process(target=answer, args=(address, ready))
    child.start()
    ready.wait(60)
    with multiprocessing.connection.Client(address, authkey=b"secret") as connection:
        connection.send(41)
        assert multiprocessing.connection.wait([connection, child.sentinel], timeout=60)
        assert connection.recv() == ["numbers", 42]
    child.join()


def main(method):
    multiprocessing.freeze_support()
    context = multiprocessing.get_context(method)
    for chapter in (processes_and_queues, shared_state, worker_queues, pools, synchronisation):
        chapter(context)
    servers(context)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
