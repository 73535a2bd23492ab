"""What is left of deleted evidence goes: first the file, then its row (row B8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    AccessRefused,
    BackendUnreachable,
    RemoteFault,
    UnsafePath,
)
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.mirrored_files import mirrored_file
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, unreachable
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA

_SCHEMA = arrow_schema(EVIDENCE_METADATA.columns)


@dataclass(frozen=True, slots=True)
class RemovedFiles:
    """Whether any file was there to be removed, and the items whose backend is away, by id."""

    found: bool
    left: Mapping[str, BackendUnreachable]


def remove_files(
    group: GroupId, items: Sequence[Item], *, register: EvidenceRegister, stores: EvidenceStores
) -> RemovedFiles:
    """Remove the stored files of items, each in its own backend, but those other items need; and
    their copies in a mirror.

    Raises:
        AccessRefused, RemoteFault: one in the active backend cannot be removed; the next call
            goes on.
    """
    found, left = False, dict[str, BackendUnreachable]()
    for item in items:
        if register.holds_bytes(group, item):
            continue
        try:
            found = _removed(item, stores) or found
            for backend in register.mirrors.with_copies(group, item):
                _remove_copy(item, backend, stores)
        except BackendUnreachable as error:
            left[item.item_id] = error
    return RemovedFiles(found, left)


def _removed(item: Item, stores: EvidenceStores) -> bool:
    store = stores.of(item.backend)
    try:
        return store.delete(item.stored_path)
    except (AccessRefused, RemoteFault, UnsafePath) as error:
        if item.backend == stores.active_name:
            raise
        raise unreachable(item.backend, error) from error


def _remove_copy(item: Item, backend: str, stores: EvidenceStores) -> None:
    """The copy of an item's file, also one that is on its way: its path is known beforehand."""
    try:
        store = stores.of(backend)
        store.delete(store.path_of(mirrored_file(item)))
    except (AccessRefused, RemoteFault, UnsafePath) as error:
        raise unreachable(backend, error) from error


def remove_rows(
    group: GroupId,
    items: Sequence[Item],
    *,
    register: EvidenceRegister,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> None:
    """Remove the metadata rows of items whose files are gone; only then are they deleted.

    Raises:
        AccessRefused, RemoteFault: they cannot be removed; the next call goes on.
    """
    drop_rows(items, lakehouse=lakehouse, config=config)
    register.finish_deletion(group, [item.item_id for item in items])


def drop_rows(items: Sequence[Item], *, lakehouse: Lakehouse, config: GroupConfig) -> None:
    """Remove the metadata rows of some items, whatever their state. Raises as `remove_rows`."""
    ids = sorted(item.item_id for item in items)
    table = config.namespace.base(EVIDENCE_METADATA.name)
    lakehouse.replace(table, _SCHEMA.empty_table(), matching={"id": ids})
