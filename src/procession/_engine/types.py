"""Names for types that several layers speak of."""

from __future__ import annotations

from collections.abc import Callable

Target = Callable[..., object]
"""What a process runs, or a pool calls first in each worker."""
