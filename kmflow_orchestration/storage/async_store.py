"""A storage backend for code on an event loop (row B1): each call on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.storage.interfaces import StorageBackend, StorageMetadata

_METHODS = tuple(
    name
    for name, member in vars(StorageBackend).items()
    if callable(member) and not name.startswith("_")
)


def as_backend(candidate: object) -> StorageBackend:
    """The same object, if it can be one.

    Raises:
        TypeError: it lacks methods of a storage backend, which are named.
    """
    if isinstance(candidate, StorageBackend):
        return candidate
    lacking = [name for name in _METHODS if not callable(getattr(candidate, name, None))]
    lacking += [] if hasattr(candidate, "name") else ["name"]
    kind = type(candidate).__name__
    raise TypeError(f"{kind} is no storage backend: it lacks {', '.join(lacking)}")


class AsyncStorage:
    """The calls of a backend that take and give bytes at hand; raises what the backend raises."""

    def __init__(self, store: StorageBackend) -> None:
        self._store = as_backend(store)

    async def write(
        self,
        engagement_id: str,
        file_name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None = None,
    ) -> StorageMetadata:
        write = self._store.write
        return await asyncio.to_thread(write, engagement_id, file_name, content, metadata)

    async def read(self, path: str) -> bytes:
        return await asyncio.to_thread(self._store.read, path)

    async def exists(self, path: str) -> bool:
        return await asyncio.to_thread(self._store.exists, path)

    async def list_files(self, engagement_id: str, prefix: str | None = None) -> list[str]:
        return await asyncio.to_thread(self._store.list_files, engagement_id, prefix)

    async def delete(self, path: str) -> bool:
        return await asyncio.to_thread(self._store.delete, path)
