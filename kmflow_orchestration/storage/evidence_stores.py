"""Evidence of one group: each item is read from the backend it was stored in (row B34)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Self

from kmflow_orchestration.errors import (
    AccessRefused,
    BackendUnreachable,
    ConfigurationError,
    KmflowError,
    RemoteFault,
    UnsafePath,
)
from kmflow_orchestration.storage.interfaces import StorageBackend

OpenStore = Callable[[str], StorageBackend]
CopyOf = Callable[[str, tuple[str, str]], str | None]
"""Where a backend has a copy of what lies elsewhere, by backend and path."""
_HINT = "bring its settings and credentials back, or its files: kmflow rollback plan"
# What says that a store cannot be got at, whatever the file.
_AWAY = (ConfigurationError, AccessRefused, RemoteFault)


class EvidenceStores:
    """A group's stores by the names of their backends; new files go to the active one.

    Each is opened at first use, so those that nobody asks for need neither settings nor network.
    Safe for many threads.
    """

    def __init__(
        self, active: str, open_store: OpenStore, *, copy_of: CopyOf | None = None
    ) -> None:
        self.active_name = active
        self._open = open_store
        self._copy_of = copy_of
        self._opened: dict[str, StorageBackend] = {}
        self._lock = threading.Lock()

    @classmethod
    def only(cls, store: StorageBackend) -> Self:
        """A group whose evidence lies in one store."""

        def no_other(backend: str) -> StorageBackend:
            raise ConfigurationError(f"there is no backend {backend!r}")

        stores = cls(store.name, no_other)
        stores._opened[store.name] = store
        return stores

    @property
    def active(self) -> StorageBackend:
        """Where new files go. Raises as `open_storage`."""
        return self._store(self.active_name)

    def of(self, backend: str) -> StorageBackend:
        """The store of a backend.

        Raises:
            BackendUnreachable: it is not the active one, and its settings do not open it.
            ConfigurationError: as `open_storage`, of the active one.
        """
        if backend == self.active_name:
            return self.active
        try:
            return self._store(backend)
        except ConfigurationError as error:
            raise unreachable(backend, error) from error

    def copy_here(self, backend: str, path: str) -> str | None:
        """The path in the active store of a copy of another backend's file, if there is one."""
        if self._copy_of is None or backend == self.active_name:
            return None
        return self._copy_of(self.active_name, (backend, path))

    def place_of(self, backend: str, path: str) -> tuple[str, str]:
        """Backend and path a file is read from: a copy in the active store before another's."""
        copy = self.copy_here(backend, path)
        return (backend, path) if copy is None else (self.active_name, copy)

    def _store(self, backend: str) -> StorageBackend:
        with self._lock:
            if backend not in self._opened:
                self._opened[backend] = self._open(backend)
            return self._opened[backend]


class StoredFiles:
    """Reading of one piece of work: a backend that turns out to be away is not asked again."""

    def __init__(self, stores: EvidenceStores) -> None:
        self._stores = stores
        self._away: dict[str, BackendUnreachable] = {}

    def open_read(self, backend: str, path: str) -> AbstractContextManager[BinaryIO]:
        """A stream over a stored file of a backend.

        Raises:
            BackendUnreachable: it is not the active one, and the file cannot be got at.
            FileNotFoundError, AccessRefused, RemoteFault: of the active one.
        """
        found, place = self._stores.place_of(backend, path)
        if found == self._stores.active_name:
            return self._stores.active.open_read(place)
        return self._of_another(found, place)

    def check(self, backend: str, path: str) -> None:
        """Whether a file of another backend than the active one can be read.

        Raises:
            BackendUnreachable: it cannot.
        """
        found, place = self._stores.place_of(backend, path)
        if found != self._stores.active_name:
            with self._of_another(found, place) as stream:
                stream.read(1)

    @contextmanager
    def _of_another(self, backend: str, path: str) -> Iterator[BinaryIO]:
        if backend in self._away:
            raise self._away[backend]
        try:
            with self._stores.of(backend).open_read(path) as stream:
                yield stream
        except (FileNotFoundError, UnsafePath) as error:
            # Of this file alone; what the reader does with the bytes raises neither.
            raise unreachable(backend, error) from error
        except _AWAY as error:
            self._away[backend] = unreachable(backend, error)
            raise self._away[backend] from error


def unreachable(backend: str, error: KmflowError | OSError) -> BackendUnreachable:
    """What is wrong with another backend, as an error of its own."""
    if isinstance(error, BackendUnreachable):
        return error
    if isinstance(error, KmflowError):
        return BackendUnreachable(backend, error.message, hint=error.hint or _HINT)
    return BackendUnreachable(backend, f"{error.args[0]} is not there", hint=_HINT)


def raise_first(found: Sequence[BackendUnreachable]) -> None:
    """Raise what was found, if anything was: the first, with the number of the others."""
    if not found:
        return
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise BackendUnreachable(first.backend, f"{first.reason}{more}", hint=first.hint)
