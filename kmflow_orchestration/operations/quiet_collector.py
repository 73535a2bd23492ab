"""A step over many files without the garbage collector going through everything else each time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Leave what lives now out of garbage collections until the block ends.

    A large step keeps so many records that full collections come again and again, and each goes
    through all objects of all libraries while every thread stands still: without Dagster loaded it
    halves the collections' time over a batch of 10 000 files. Objects are still freed when nobody
    refers to them.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
