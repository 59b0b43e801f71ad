"""Door, ours: the ``procession`` backend of joblib, which must be installed.

A folder, not a file: whoever imports all files beside ``__init__.py``, as CPython's own tests do,
needs no joblib.
"""

from procession._engine.joblib_backend import ProcessionBackend, register

__all__ = ["ProcessionBackend", "register"]
