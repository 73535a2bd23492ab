"""Bytes of outputs that could not be uploaded, kept on this machine until they could."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import UUID

from kmflow_orchestration.errors import OutputChanged, StorageUnavailable


class UploadSpool:
    """One group's files under `root`, each by the id of its failed upload, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, failure_id: str, content: bytes) -> None:
        """Keep bytes; they are on disk when this returns. Raises StorageUnavailable."""
        target = self._file(failure_id)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                target.unlink()
            raise StorageUnavailable(
                f"an output that could not be uploaded cannot be kept either: {error.strerror}",
                hint="check disk space and permissions of KMFLOW_HOME",
            ) from error

    def read(self, failure_id: str) -> bytes:
        """The kept bytes. Raises OutputChanged when they are gone."""
        try:
            return self._file(failure_id).read_bytes()
        except FileNotFoundError as error:
            raise OutputChanged(
                f"the bytes of failed upload {failure_id} are not on this machine any more",
                hint="run the task again",
            ) from error

    def drop(self, failure_id: str) -> None:
        """Remove kept bytes, if there are any. Raises StorageUnavailable."""
        try:
            self._file(failure_id).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StorageUnavailable(
                f"the bytes of failed upload {failure_id} cannot be removed: {error.strerror}",
                hint="check the permissions of KMFLOW_HOME",
            ) from error

    def _file(self, failure_id: str) -> Path:
        return self._root / str(UUID(failure_id))
