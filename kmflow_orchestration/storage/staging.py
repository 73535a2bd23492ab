"""Files that lie in a group's Volume while one statement reads them (design AD3)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.interrupts import not_given_up
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
STAGING = (".kmflow", "staging")
# No statement runs for so long: what is older was left by a process that was killed.
_LEFT_AFTER_S = 86_400


class Staging:
    """A place in a group's Volume that is its own; safe to share between threads."""

    def __init__(self, volume: VolumePath, files: VolumeFiles) -> None:
        self._place = volume.joined(*STAGING)
        self._files = files
        self._is_swept = False
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, file: Path) -> Iterator[VolumePath]:
        """Where a copy of a Parquet file lies within the block, under a name used only once."""
        remote = self._place.joined(f"{uuid4()}.parquet")
        try:
            # A repeat of an upload whose answer was lost meets itself.
            self._files.upload(
                remote,
                lambda: file.open("rb"),
                size_bytes=file.stat().st_size,
                overwrite=True,
            )
            yield remote
        finally:
            with not_given_up():
                self._sweep_once(remote)
                self._remove(remote)

    def _sweep_once(self, own: VolumePath) -> None:
        """Remove staged files that nobody is going to read any more.

        Their age is told from the file just staged: this machine's clock may be any.
        """
        with self._lock:
            if self._is_swept:
                return
            self._is_swept = True
        try:
            staged = {
                file.path: file.last_modified_ms
                for file in self._files.list_directory(self._place)
                if file.last_modified_ms is not None
            }
            newest_ms = staged.get(own, 0)
            for path, at_ms in staged.items():
                if at_ms < newest_ms - _LEFT_AFTER_S * 1000:
                    self._remove(path)
        except KmflowError as error:
            logger.warning("%s was not swept: %s", self._place, error.message)

    def _remove(self, remote: VolumePath) -> None:
        try:
            self._files.delete(remote)
        except KmflowError as error:
            # The write itself is done; what is left here goes with a later process' sweep.
            logger.warning("staged file %s was not removed: %s", remote, error.message)
