"""How far a migration is: files, and bytes, also of files that are still under way."""

from __future__ import annotations

import threading

from kmflow_orchestration.operations.take_inventory import OnBytes


class MovedBytes:
    """Adds up what is told by many threads, and tells it on; `of_files` are to be moved."""

    def __init__(self, tell: OnBytes | None, of_files: int) -> None:
        self._tell = tell
        self._of_files = of_files
        self._lock = threading.Lock()
        self._files = 0
        self._bytes = 0
        self._under_way: dict[str, int] = {}
        self._whole: set[str] = set()

    def arrived(self, path: str, size_bytes: int) -> None:
        """Bytes of a file are there, not yet all."""
        with self._lock:
            self._set(path, self._under_way.get(path, 0) + size_bytes)
            self._tell_on()

    def whole(self, path: str, size_bytes: int) -> None:
        """All bytes of a file are there; what it comes to is told later."""
        with self._lock:
            self._set(path, size_bytes)
            self._whole.add(path)
            self._tell_on()

    def failed(self, path: str) -> None:
        """What arrived of a file is of no use."""
        with self._lock:
            self._set(path, 0)
            self._whole.discard(path)

    def done(self, path: str, size_bytes: int) -> None:
        """What a file comes to is known."""
        with self._lock:
            self._set(path, 0)
            self._whole.discard(path)
            self._files += 1
            self._bytes += size_bytes
            self._tell_on()

    def _set(self, path: str, size_bytes: int) -> None:
        self._bytes += size_bytes - self._under_way.pop(path, 0)
        if size_bytes:
            self._under_way[path] = size_bytes

    def _tell_on(self) -> None:
        if self._tell is not None:
            self._tell(self._files + len(self._whole), self._bytes, self._of_files)
