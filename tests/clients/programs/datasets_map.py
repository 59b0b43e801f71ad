"""Hugging Face datasets: map and filter in several processes, which watch the pool's pids.

It imports multiprocess, the standard library's package with another pickler; here that is us.

Needs: datasets
"""

import importlib
import multiprocessing
import sys

for _name in ("", ".context", ".managers", ".pool", ".process", ".queues", ".synchronize"):
    sys.modules[f"multiprocess{_name}"] = importlib.import_module(f"multiprocessing{_name}")

from datasets import Dataset, disable_progress_bars  # noqa: E402


def longer(batch):
    return {"text": [text + "!" for text in batch["text"]], "size": [len(t) for t in batch["text"]]}


def is_even(row):
    return row["number"] % 2 == 0


def failing(row):
    raise ValueError(f"row {row['number']}")


def numbers(shards):
    for shard in shards:
        for number in range(5):
            yield {"number": shard * 10 + number}


def main(method):
    multiprocessing.set_start_method(method)
    disable_progress_bars()
    data = Dataset.from_dict({"number": list(range(200)), "text": [f"t{n}" for n in range(200)]})
    mapped = data.map(longer, batched=True, batch_size=20, num_proc=2)
    assert mapped["text"][17] == "t17!", mapped[17]
    assert len(data.filter(is_even, num_proc=2)) == 100
    assert data.map(lambda row: {"twice": 2 * row["number"]}, num_proc=2)["twice"][9] == 18
    try:
        data.map(failing, num_proc=2)
    except ValueError as error:
        assert "row" in str(error), error
    else:
        raise AssertionError("the error was lost")
    made = Dataset.from_generator(numbers, gen_kwargs={"shards": [0, 1, 2, 3]}, num_proc=2)
    assert len(made) == 20


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
