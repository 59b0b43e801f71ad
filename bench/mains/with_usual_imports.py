"""A measuring process whose main module imports what many a script imports: the library's own."""

import argparse  # noqa: F401  # the imports are the point
import dataclasses  # noqa: F401
import datetime  # noqa: F401
import json  # noqa: F401
import logging  # noqa: F401
import pathlib  # noqa: F401
import subprocess  # noqa: F401
import typing  # noqa: F401

if __name__ == "__main__":
    from bench.one_run import main

    main()
