"""Door, ours: the ``procession`` backend of joblib, which must be installed."""

from procession._engine.joblib_backend import ProcessionBackend, register

__all__ = ["ProcessionBackend", "register"]
