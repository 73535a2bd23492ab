"""Arrow without NumPy and pandas, which it imports wherever they are installed.

Nothing in a conversion needs them, and both together take longer than a small file.
"""

from __future__ import annotations

import sys
from importlib import import_module

_UNNEEDED = ("numpy", "pandas")
_PARTS = ("pyarrow", "pyarrow.compute", "pyarrow.parquet")


def import_arrow() -> None:
    """Import Arrow lean; for a process that converts and does nothing else. Repeatable.

    In a process that has one of the three already nothing is changed.
    """
    if any(name in sys.modules for name in ("pyarrow", *_UNNEEDED)):
        return
    for name in _UNNEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # the way to say: there is none
    try:
        arrow, *_ = [import_module(name) for name in _PARTS]
        # It looks for pandas once, with the first array.
        arrow.array([0])
    finally:
        for name in _UNNEEDED:
            del sys.modules[name]
