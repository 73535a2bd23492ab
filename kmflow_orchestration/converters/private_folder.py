"""Folders of our own on disk, for what a source holds or becomes while it is read."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class PrivateFolder:
    """A folder that nobody else may look into, which goes with this object."""

    def __init__(self, prefix: str) -> None:
        """`prefix` tells people what it is for."""
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def remove(self) -> None:
        """Take it away now."""
        self._remove()
