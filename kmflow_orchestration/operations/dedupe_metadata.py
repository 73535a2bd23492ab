"""Metadata rows that are there more often than once go (row B23)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.metadata_rows import MetadataRow, read_metadata
from kmflow_orchestration.storage.interfaces import Lakehouse


@dataclass(frozen=True, slots=True)
class DedupedMetadata:
    """What goes, or went; `rows` is how many there were."""

    group: GroupId
    rows: int
    surplus: tuple[MetadataRow, ...]
    is_applied: bool


def dedupe_metadata(
    group: GroupId, *, lakehouse: Lakehouse, config: GroupConfig, apply: bool = False
) -> DedupedMetadata:
    """Keep the earliest row per id and per path, ties by id; a duplicate's own row stays.

    Raises:
        AccessRefused, RemoteFault: some are still there; the next call goes on.
    """
    table = read_metadata(group, lakehouse=lakehouse, config=config)
    surplus = table.surplus()
    if apply and surplus:
        table.take_out(surplus)
    return DedupedMetadata(group, len(table.rows), tuple(surplus), apply)
