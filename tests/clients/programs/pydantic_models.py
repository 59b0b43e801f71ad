"""Objects of classes of the main module, pydantic's among them, there and back.

Needs: pydantic
"""

import multiprocessing
import sys
from dataclasses import dataclass
from enum import Enum

import pydantic


class Model(pydantic.BaseModel):
    number: int


@dataclass(frozen=True)
class Record:
    number: int


class Colour(Enum):
    RED = 1


def same(obj):
    return obj


def main(method):
    objects = [Model(number=1), Record(2), Colour.RED, Model]
    with multiprocessing.get_context(method).Pool(2) as pool:
        back = pool.map(same, objects)
    assert back == objects, back
    assert isinstance(back[0], Model)
    assert back[2] is Colour.RED
    assert back[3] is Model


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
