"""logging's QueueHandler and QueueListener, as the cookbook of logging has them."""

import logging
import logging.handlers
import multiprocessing
import sys


def configure(queue):
    root = logging.getLogger()
    root.handlers[:] = [logging.handlers.QueueHandler(queue)]
    root.setLevel(logging.DEBUG)


def work(queue, number):
    configure(queue)
    logging.getLogger("worker").info("message of %d", number)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("worker").exception("caught in %d", number)


def task(number):
    logging.getLogger("pool").warning("task %d", number)
    return number


class Keeping(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(self.format(record))


def main(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue(-1)
    kept = Keeping()
    kept.setFormatter(logging.Formatter("%(processName)s %(message)s"))
    listener = logging.handlers.QueueListener(queue, kept)
    listener.start()
    workers = [
        context.Process(target=work, args=(queue, number), name=f"worker {number}")
        for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with context.Pool(2, configure, (queue,)) as pool:
        assert pool.map(task, range(10)) == list(range(10))
    listener.stop()
    for number in range(4):
        assert f"worker {number} message of {number}" in kept.texts, kept.texts
        assert any("ZeroDivisionError" in text for text in kept.texts)
    assert sum("task" in text for text in kept.texts) == 10, kept.texts


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
