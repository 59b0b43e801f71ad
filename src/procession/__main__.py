"""Door: ``python -m procession``."""

from procession._engine.cli.main import main

__all__ = ["main"]

# The guard matters: under spawn and forkserver the workers of a command import this file.
if __name__ == "__main__":
    raise SystemExit(main())
