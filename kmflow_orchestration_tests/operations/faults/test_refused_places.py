"""A place that may not be written to, from the start or from the midst of a batch on."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kmflow_orchestration.errors import AccessRefused, StorageUnavailable
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.interfaces import StorageBackend
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.scratch import ScratchFolder
from kmflow_orchestration.storage.upload_spool import UploadSpool
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.faults.conftest import Remote
from kmflow_orchestration_tests.small_disks import only_readable
from kmflow_orchestration_tests.storage.test_local_lakehouse import (
    COLUMNS,
    TABLE,
    ids,
    opened,
    write,
)

REFUSED = "Read-only file system|Permission denied"
NAMES = ("a.csv", "b.csv", "c.csv", "d.csv")
ONE = "7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11"


@pytest.mark.parametrize("kind", ["local", "delta"])
def test_a_store_that_may_only_be_read_gives_what_it_has_and_takes_nothing_until_it_may(
    acme: LandingPlace, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "disk"
    store: StorageBackend = LocalStore("acme", root, clock=acme.clock)
    if kind == "delta":
        store = DeltaStore("acme", root / "main_bronze", clock=acme.clock)
    acme.drop("e1/first.csv", "first")
    acme.look()
    acme.store_day(store=store)
    acme.drop("e1/second.csv", "second")
    acme.look()

    with only_readable(root):
        (failed,) = acme.store_day(store=store).failed
        first = acme.item("first.csv")
        assert store.read(first.stored_path) == b"first"
        with pytest.raises(StorageUnavailable, match=REFUSED):
            store.delete(first.stored_path)

    assert (failed.landing_path, failed.code) == ("e1/second.csv", StorageUnavailable.code)
    assert re.search(rf"_second\.csv: ({REFUSED}) \(check .*permissions", failed.message)
    assert store.list_files("e1") == [first.stored_path]
    assert [one.file_name for one in acme.store_day(store=store).stored] == ["second.csv"]
    assert len(store.list_files("e1")) == 2


def test_tables_spool_and_scratch_that_may_only_be_read_are_told(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "disk")) as lakehouse:
        lakehouse.ensure_table(TABLE, TableDefinition("bronze", "loans", COLUMNS))
        write(lakehouse, "b1", "x")
        deeds: list[Callable[[], object]] = [
            lambda: write(lakehouse, "b2", "y"),
            lambda: UploadSpool(tmp_path / "disk" / "spool").keep(ONE, b"x"),
            lambda: ScratchFolder(tmp_path / "disk" / "work"),
        ]

        with only_readable(tmp_path / "disk"):
            for deed in deeds:
                with pytest.raises(StorageUnavailable, match=f"({REFUSED}).*permissions"):
                    deed()
            assert ids(lakehouse) == ["x"]

        write(lakehouse, "b2", "y")
        assert ids(lakehouse) == ["x", "y"]


def test_a_volume_without_the_right_to_write_takes_nothing_until_it_is_given(
    remote: Remote,
) -> None:
    remote.drop(*NAMES)
    remote.revoke("WRITE_VOLUME")

    stored = remote.take_in()

    assert [one.code for one in stored.failed] == [AccessRefused.code] * len(NAMES)
    assert all("WRITE VOLUME" in one.message for one in stored.failed)
    assert all("check the group's token and its grants" in one.message for one in stored.failed)
    # What is refused is not asked for again and again.
    assert (remote.sent(), remote.has_exactly()) == (len(NAMES), True)
    remote.grant("WRITE_VOLUME")
    assert len(remote.take_in().stored) == len(NAMES)
    assert remote.has_exactly(*NAMES)


def test_a_right_lost_between_two_files_keeps_the_first_and_fails_the_others(
    remote: Remote,
) -> None:
    remote.drop(*NAMES)
    remote.store.after_sent = lambda count: remote.revoke("WRITE_VOLUME") if count == 2 else None

    stored = remote.take_in()

    assert [one.file_name for one in stored.stored] == ["a.csv", "b.csv"]
    failed = {one.landing_path: one.code for one in stored.failed}
    assert failed == dict.fromkeys(("e1/c.csv", "e1/d.csv"), AccessRefused.code)
    assert remote.has_exactly("a.csv", "b.csv")
    remote.grant("WRITE_VOLUME")
    assert [one.file_name for one in remote.take_in().stored] == ["c.csv", "d.csv"]
    assert remote.has_exactly(*NAMES)
    assert remote.sent() == len(NAMES) + 2  # the two that were refused, and nothing twice


def test_a_right_to_look_lost_between_two_files_stops_the_run_and_the_next_sends_none_again(
    remote: Remote,
) -> None:
    remote.drop(*NAMES)
    rights = ("READ_VOLUME", "WRITE_VOLUME")
    remote.store.after_sent = lambda count: remote.revoke(*rights) if count == 2 else None

    with pytest.raises(AccessRefused, match=r"READ VOLUME.*grants"):
        remote.take_in()

    assert remote.place.items() == []
    remote.grant(*rights)
    assert len(remote.take_in().stored) == len(NAMES)
    assert remote.has_exactly(*NAMES)
    # Two were refused and sent once more; those that had arrived were found.
    assert remote.sent() == len(NAMES) + 2
