"""A measuring process whose main module imports NumPy, as many programs' main modules do."""

import numpy as np  # noqa: F401  # the import is the point

if __name__ == "__main__":
    from bench.one_run import main

    main()
