"""aiomultiprocess and aioprocessing: processes from asyncio.

Needs: aiomultiprocess aioprocessing
"""

import asyncio
import sys

import aiomultiprocess
import aioprocessing


async def square(number):
    await asyncio.sleep(0.001)
    return number * number


def fill(queue, event):
    for number in range(5):
        queue.put(number)
    event.wait()


async def work(method):
    aiomultiprocess.set_start_method(method)
    async with aiomultiprocess.Pool(2) as pool:
        assert await pool.map(square, range(20)) == [n * n for n in range(20)]
    queue, event = aioprocessing.AioQueue(), aioprocessing.AioEvent()
    process = aioprocessing.AioProcess(target=fill, args=(queue, event))
    process.start()
    assert [await queue.coro_get() for _ in range(5)] == list(range(5))
    event.set()
    await process.coro_join()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
    print("passed")
