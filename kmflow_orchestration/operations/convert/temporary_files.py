"""Where a conversion sets aside what it needs meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_files_in(folder: Path | None) -> Iterator[None]:
    """Temporary files, also those of the processes that convert, lie there in the block."""
    if folder is None:
        yield
        return
    before = tempfile.tempdir
    tempfile.tempdir = str(folder.resolve())
    try:
        yield
    finally:
        tempfile.tempdir = before
