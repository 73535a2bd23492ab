"""One writer at a time for each Delta table on this machine's disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.storage.disk_faults import disk_faults

_TIMEOUT_S = 600.0


@contextmanager
def table_lock(directory: Path) -> Iterator[None]:
    """Keep other processes from writing the table in `<lakehouse>/<schema>/<table>` meanwhile.

    Raises:
        StorageUnavailable: another process held it for ten minutes, or there is no room for it.
    """
    schema = directory.parent
    locks = schema.parent / ".locks"
    name = f"{schema.name}.{directory.name}"
    lock = FileLock(locks / f"{name}.lock")
    try:
        with disk_faults(locks):
            locks.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_TIMEOUT_S)
    except Timeout as error:
        raise StorageUnavailable(
            f"table {name} was locked for {_TIMEOUT_S:g} s by another process"
        ) from error
    try:
        yield
    finally:
        lock.release()
