"""Several producers and several consumers share one queue; the parent knows when all is done.

Run it: ``python producers_consumers.py [fork | spawn | forkserver]``

A JoinableQueue counts: every get() is answered by a task_done(), and join() waits
until nothing is left to do.  The consumers then read a None each, and go home.
"""

import sys

import procession as multiprocessing

PRODUCERS, CONSUMERS, ORDERS_EACH = 3, 2, 100


def produce(name, orders):
    for number in range(ORDERS_EACH):
        orders.put((name, number))


def consume(orders, reports):
    served = 0
    for _name, _number in iter(orders.get, None):
        served += 1
        orders.task_done()
    orders.task_done()  # the None counts as well
    reports.put(served)


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    orders, reports = multiprocessing.JoinableQueue(), multiprocessing.Queue()
    consumers = [
        multiprocessing.Process(target=consume, args=(orders, reports)) for _ in range(CONSUMERS)
    ]
    producers = [
        multiprocessing.Process(target=produce, args=(f"producer {n}", orders))
        for n in range(PRODUCERS)
    ]
    for process in consumers + producers:
        process.start()
    for process in producers:
        process.join()
    orders.join()  # every order that was put has been served
    for _ in consumers:
        orders.put(None)
    served = [reports.get() for _ in consumers]
    for process in consumers:
        process.join()
    print(f"{PRODUCERS} producers x {ORDERS_EACH} orders, served by {CONSUMERS} consumers")
    print(f"{sum(served)} orders served, {orders.qsize()} left")
