"""The backends on an event loop answer as they do without one (row B1)."""

from __future__ import annotations

import asyncio

import pytest

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.storage.async_store import AsyncStorage, as_backend
from kmflow_orchestration.storage.interfaces import StorageBackend


def test_every_call_answers_as_it_does_without_a_loop(store: StorageBackend) -> None:
    async def day() -> tuple[bytes, list[str], bool, bool, bool]:
        files = AsyncStorage(store)
        first, other = await asyncio.gather(
            files.write("e1", "loans.csv", b"id\n1\n"), files.write("e1", "rates.csv", b"r\n2\n")
        )
        read = await files.read(first.path)
        listed = await files.list_files("e1", "loans")
        deleted = await files.delete(other.path)
        return read, listed, deleted, await files.delete(other.path), await files.exists(first.path)

    read, listed, deleted, again, exists = asyncio.run(day())

    assert (read, listed) == (b"id\n1\n", store.list_files("e1"))
    assert (deleted, again, exists) == (True, False, True)


def test_what_is_missing_or_outside_is_raised_to_who_waits(store: StorageBackend) -> None:
    written = store.write("e1", "loans.csv", b"1")
    store.delete(written.path)

    with pytest.raises(FileNotFoundError):
        asyncio.run(AsyncStorage(store).read(written.path))
    with pytest.raises(UnsafePath):
        asyncio.run(AsyncStorage(store).delete("/Volumes/elsewhere/s/v/x"))


def test_what_lacks_a_method_is_no_backend_and_the_method_is_named(store: StorageBackend) -> None:
    class Half:
        name = "half"

        def read(self, path: str) -> bytes:
            return path.encode()

        def exists(self, path: str) -> bool:
            return bool(path)

    assert as_backend(store) is store
    with pytest.raises(TypeError, match="Half is no storage backend: it lacks write, write_from"):
        AsyncStorage(Half())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"delete, probe, name$"):
        as_backend(object())
