"""SQLAlchemy as its manual says: an engine of the module, let go of in each worker.

Needs: SQLAlchemy
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from sqlalchemy import create_engine, text

engine = create_engine("sqlite:///numbers.db")


def begin_anew():
    engine.dispose(close=False)


def insert(number):
    with engine.begin() as connection:
        values = {"number": number, "pid": os.getpid()}
        connection.execute(text("insert into numbers values (:number, :pid)"), values)


def main(method):
    multiprocessing.set_start_method(method)
    with engine.begin() as connection:
        connection.execute(text("create table numbers (number int, pid int)"))
    with multiprocessing.Pool(3, initializer=begin_anew) as pool:
        pool.map(insert, range(30), chunksize=1)
    with ProcessPoolExecutor(2, initializer=begin_anew) as executor:
        list(executor.map(insert, range(30, 40)))
    with engine.connect() as connection:
        rows = connection.execute(text("select number, pid from numbers order by number")).all()
    assert [number for number, _ in rows] == list(range(40))
    assert os.getpid() not in {pid for _, pid in rows}
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
