"""Bytes of an item: few in memory, and none without a record of who took them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import EvidenceNotIntact, StorageUnavailable
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.metadata.config_audit import ConfigAudit
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.download_evidence import (
    EvidenceDownload,
    open_download,
    save_download,
)
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

MEGABYTE = 1 << 20
ANN = caller_of("ann@kmflow.test", ("acme",), Role.VIEWER)


def stored(acme: LandingPlace, size_bytes: int) -> Item:
    acme.drop("e1/lines.txt", (b"a line of words\n" * (size_bytes // 16 + 1))[:size_bytes])
    acme.look()
    acme.store_day(max_size_bytes=size_bytes)
    return acme.item("lines.txt")


def begun(acme: LandingPlace, item: Item, audit_of: LandingPlace | None = None) -> EvidenceDownload:
    sessions = open_sessions(engine_of(acme.database_url))
    return open_download(
        acme.group,
        item.item_id,
        caller=ANN,
        register=EvidenceRegister(sessions, acme.clock),
        stores=EvidenceStores.only(acme.store),
        audit=ConfigAudit(open_sessions(engine_of((audit_of or acme).database_url)), acme.clock),
    )


def test_a_file_of_any_size_takes_a_few_megabytes(acme: LandingPlace) -> None:
    item = stored(acme, 24 * MEGABYTE)
    tracemalloc.start()
    try:
        size = sum(len(chunk) for chunk in begun(acme, item).chunks())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == item.size_bytes
    assert most < 8 * MEGABYTE


@pytest.mark.sqlite
def test_without_a_record_nothing_is_handed_out(acme: LandingPlace, tmp_path: Path) -> None:
    item = stored(acme, 100)
    nowhere = replace(acme, database_url=f"sqlite:///{tmp_path / 'empty.db'}")

    with pytest.raises(StorageUnavailable):
        begun(acme, item, audit_of=nowhere)


@pytest.mark.sqlite
def test_a_failure_that_cannot_be_recorded_stays_the_failure(
    acme: LandingPlace, tmp_path: Path
) -> None:
    item = stored(acme, 100)
    acme.store.local_path(item.stored_path).write_bytes(b"x")
    nowhere = replace(acme, database_url=f"sqlite:///{tmp_path / 'empty.db'}")

    with pytest.raises(EvidenceNotIntact) as raised:
        begun(acme, item, audit_of=nowhere)
    assert "not in the audit trail" in " ".join(raised.value.__notes__)


def test_a_disk_that_cannot_be_written_leaves_nothing(acme: LandingPlace, tmp_path: Path) -> None:
    download = begun(acme, stored(acme, 100))
    with pytest.raises(StorageUnavailable, match="nowhere"):
        save_download(download, tmp_path / "nowhere" / "a.txt")


def test_progress_tells_the_bytes_that_are_done_with(acme: LandingPlace, tmp_path: Path) -> None:
    told: list[int] = []
    item = stored(acme, 2 * MEGABYTE + 5)
    save_download(begun(acme, item), tmp_path / "a.txt", on_bytes=told.append)
    assert told == [MEGABYTE, 2 * MEGABYTE, 2 * MEGABYTE + 5]
