"""A result and the schema lock it keeps to, put in place together or not at all (row CD-N5)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.interface import RESCUED_DATA
from kmflow_orchestration.errors import StateConflict, UnsafePath
from kmflow_orchestration.operations.convert.drift import FAIL, Contract, are_same, contract_of
from kmflow_orchestration.operations.convert.layout import Layout
from kmflow_orchestration.operations.convert.manifest import Manifest, OutputRecord
from kmflow_orchestration.operations.convert.output_tables import OutputTable
from kmflow_orchestration.operations.convert.parts import Part
from kmflow_orchestration.operations.convert.schema_lock import (
    LockedColumn,
    LockedTable,
    SchemaLock,
    Tables,
    kind_of,
    read_lock,
)
from kmflow_orchestration.storage.whole_files import replacing


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a source with the tables `found` becomes under the lock at `path`."""

    path: Path
    found: Tables
    on_drift: str
    now: str
    source: str
    contract: Contract

    def told(self, folder: Path) -> dict[str, Any]:
        """For the manifest in `folder`."""
        path = os.path.relpath(self.path.resolve(), folder.resolve())
        return {
            "path": Path(path).as_posix(),
            "on_drift": self.on_drift,
            "version": self.contract.version,
            "drift": [one.as_dict() for one in self.contract.drift],
            "types": self.contract.types,
        }

    def check_spares(self, layout: Layout, source: Path) -> None:
        """Raises UnsafePath when the lock would lie where the source or the result does."""
        own = self.path.resolve()
        places = {one.resolve() for one in (source, layout.manifest, *layout.files)}
        if own in places or (layout.folder and layout.folder.resolve() in own.parents):
            raise UnsafePath(
                f"{self.path} is no place for the schema lock", hint="name another --schema-lock"
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The lock is written, and then the result in the block; a fault puts the old one back.

        Killed in between, there is a lock that allows what the same call makes when repeated.

        Raises:
            StateConflict: the lock asks for something else by now.
            SchemaDriftError: it does not hold the source any more.
        """
        # Of a link the file that it leads to.
        path = self.path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            before = read_lock(path)
            again = contract_of(before, self.found, self.on_drift, now=self.now, source=self.source)
            if (again.version, again.types) != (self.contract.version, self.contract.types):
                raise StateConflict(
                    f"{self.path} was changed by another conversion meanwhile",
                    hint="convert the file again",
                )
            with _written(path, before, again.lock):
                yield


def agreement(
    path: Path, parts: Sequence[Part], on_drift: str, *, now: str, source: str
) -> Agreement | None:
    """What a source becomes under a lock; None for one without a table.

    Raises:
        SchemaDriftError: the lock does not hold it, and that is to fail.
        InvalidOptions: the file is no lock.
    """
    found = {
        one.wanted.part: _locked(one.rows) for one in parts if isinstance(one.rows, OutputTable)
    }
    if not found:
        return None
    mode = on_drift or FAIL
    contract = contract_of(read_lock(path), found, mode, now=now, source=source)
    return Agreement(path, found, mode, now, source, contract)


def _locked(rows: OutputTable) -> LockedTable:
    # Surplus fields have a column behind those of the source.
    named = zip(rows.schema.names, rows.types.values(), strict=False)
    return LockedTable(tuple(LockedColumn(name, kind) for name, kind in named))


def holds(lock: SchemaLock | None, manifest: Manifest) -> bool:
    """Whether an earlier result is of a version of the lock, and written in its types."""
    tables = {
        one.part: _recorded(one) for one in manifest.outputs if not one.is_document and one.columns
    }
    if not tables:
        return True
    return lock is not None and any(are_same(one.tables, tables) for one in lock.versions)


def _recorded(output: OutputRecord) -> LockedTable:
    last = len(output.columns) - 1
    return LockedTable(
        tuple(
            LockedColumn(one.name, kind_of(one.type, one.name))
            for at, one in enumerate(output.columns)
            if at < last or one.source_name or not one.name.startswith(RESCUED_DATA)
        )
    )


def locked_types(manifest: Manifest) -> Mapping[str, Mapping[str, str]]:
    """The types of columns that are written wider than their values need."""
    types: Mapping[str, Mapping[str, str]] = (manifest.schema_lock or {}).get("types", {})
    return types


@contextmanager
def _written(path: Path, before: SchemaLock | None, after: SchemaLock) -> Iterator[None]:
    """The new lock, and after a fault in the block the old one, byte for byte."""
    if after == before:
        yield
        return
    old = None if before is None else path.read_bytes()
    try:
        _write(path, after.as_text(path).encode())
        yield
    except BaseException:
        if old is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, old)
        raise


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else moves a lock in this folder meanwhile; a process that dies lets go."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
