"""loguru with enqueue=True, its logger handed to children.

Needs: loguru
"""

import multiprocessing
import sys
import tempfile
from pathlib import Path

from loguru import logger


def work(given, number):
    given.info("message {}", number)
    given.complete()


def set_logger(given):
    global shared
    shared = given


def task(number):
    shared.info("task {}", number)
    return number


def main(method):
    context = multiprocessing.get_context(method)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "log.txt")
        logger.remove()
        logger.add(file, enqueue=True, context=context, format="{message}")
        processes = [context.Process(target=work, args=(logger, number)) for number in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0, process.exitcode
        with context.Pool(2, initializer=set_logger, initargs=(logger,)) as pool:
            assert pool.map(task, range(5)) == list(range(5))
        logger.complete()
        logger.remove()
        lines = sorted(file.read_text().splitlines())
    assert lines == [f"message {n}" for n in range(3)] + [f"task {n}" for n in range(5)], lines


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
