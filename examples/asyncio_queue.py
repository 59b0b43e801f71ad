"""An asyncio program reads a queue that processes fill; nothing blocks, no thread is needed.

Run it: ``python asyncio_queue.py [fork | spawn | forkserver]``
"""

import asyncio
import sys

import procession as multiprocessing


def measure(sensor, begin, queue):
    begin.wait()
    for value in range(3):
        queue.put((sensor, value))
    queue.put((sensor, None))  # this sensor has no more


async def tick(begin, stopped):
    """Something else that the program does meanwhile; no sensor measures before its first tick."""
    ticks = 0
    while not stopped.is_set():
        ticks += 1
        begin.set()
        await asyncio.sleep(0.01)
    return ticks


async def collect(queue, sensors):
    values = {sensor: [] for sensor in sensors}
    running = set(sensors)
    while running:
        sensor, value = await queue.aget()
        if value is None:
            running.remove(sensor)
        else:
            values[sensor].append(value)
    return values


async def main():
    sensors = ("north", "south")
    queue = multiprocessing.Queue()
    begin = multiprocessing.Event()
    processes = [multiprocessing.Process(target=measure, args=(s, begin, queue)) for s in sensors]
    for process in processes:
        process.start()
    stopped = asyncio.Event()
    ticking = asyncio.create_task(tick(begin, stopped))
    values = await collect(queue, sensors)
    stopped.set()
    print(values)
    print(f"meanwhile the event loop was free: {await ticking > 0}")
    for process in processes:
        process.join()


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    asyncio.run(main())
