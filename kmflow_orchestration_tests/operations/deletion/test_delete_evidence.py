"""Deleting evidence: file, then row, then what was made of it; and whatever goes wrong (row B8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import (
    AccessRefused,
    BackendUnreachable,
    ConfigurationError,
    KmflowError,
    RemoteFault,
    RoleRefused,
    UnknownEvidence,
)
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.metadata.config_audit import AuditAction
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import StorageBackend
from kmflow_orchestration_tests.operations.deletion.conftest import ONE_BACKEND
from kmflow_orchestration_tests.operations.deletion.world import ANN, DeletionWorld
from kmflow_orchestration_tests.operations.kills.group_home import ACME

ONE, TWO = "id,amount\n1,10\n", "id,amount\n2,20\n"


def test_a_deleted_item_leaves_everything_but_ledger_bronze_and_landing(
    world: DeletionWorld,
) -> None:
    world.take(loans=ONE, other=TWO)
    item = world.item("loans")

    deleted = world.delete(item)

    assert (deleted.removed_file, deleted.problem) == (True, "")
    assert not world.day.group.store.exists(item.stored_path)
    assert world.metadata() == {"other"}
    left = world.item("loans")
    assert (left.state, left.deleted_by, left.deleted_at) == (
        State.DELETED,
        ANN.group_email,
        world.now,
    )
    world.day.work()
    assert (world.dataset("loans"), len(world.dataset("other"))) == ([], 1)
    assert len(world.rows("silver_quality_events")) == 1
    assert len(world.rows("bronze_evidence_raw")) == 2
    assert (world.home.landing / world.engagement / "loans.csv").exists()
    assert world.agrees()


def test_the_log_and_the_audit_trail_tell_who_deleted_what(world: DeletionWorld) -> None:
    world.take(loans=ONE)
    item = world.item("loans")
    world.delete(item)
    world.day.work()

    log = {row["status"]: row for row in world.rows("bronze_ingestion_log")}
    assert set(log) == {"success", "deleted"}
    assert item.content_hash in log["deleted"]["error_message"]
    assert ANN.group_email in log["deleted"]["error_message"]
    (newest, *_) = world.day.context.config_audit.entries(ACME)
    assert newest.deed.action is AuditAction.DELETE_EVIDENCE
    assert newest.deed.actor_email == ANN.group_email
    assert newest.deed.before is not None
    assert newest.deed.before["id"] == item.item_id


@pytest.mark.journey
def test_a_second_deletion_and_a_second_run_change_nothing(world: DeletionWorld) -> None:
    world.take(loans=ONE)
    item = world.item("loans")
    world.delete(item)
    world.day.work()
    before = world.home.found(world.day)
    entries = len(world.day.context.config_audit.entries(ACME))

    again = world.delete(item)
    world.day.work()

    assert (again.removed_file, again.deletion.is_new) == (False, False)
    assert world.home.found(world.day) == before
    assert len(world.day.context.config_audit.entries(ACME)) == entries


@ONE_BACKEND
def test_a_dry_run_tells_and_changes_nothing(world: DeletionWorld) -> None:
    world.store(loans=ONE)
    world.store(copy=ONE)
    before = world.home.found(world.day)

    told = world.delete(world.item("loans"), dry_run=True)

    assert told.deletion.promoted == world.item("copy")
    assert (told.deletion.keeps_bytes, told.deletion.is_new) == (True, True)
    assert world.home.found(world.day) == before


@ONE_BACKEND
def test_what_is_not_there_or_not_the_groups_is_unknown(world: DeletionWorld) -> None:
    item = world.store(loans=ONE)
    register = world.day.context.register

    with pytest.raises(UnknownEvidence, match="no-such-id"):
        world.delete("no-such-id")
    with pytest.raises(UnknownEvidence):
        world.delete(item, engagement="another")
    with pytest.raises(UnknownEvidence):
        register.begin_deletion(GroupId("globex"), item.item_id, actor="bob")
    assert world.item("loans") == item
    assert world.day.group.store.exists(item.stored_path)


@ONE_BACKEND
def test_it_takes_an_admin(world: DeletionWorld) -> None:
    item = world.store(loans=ONE)
    with pytest.raises(RoleRefused):
        world.delete(item, caller=replace(ANN, user_role=Role.EDITOR))
    assert world.item("loans").state is State.STORED


@ONE_BACKEND
def test_bytes_in_a_backend_that_is_away_are_refused_before_anything_changes(
    world: DeletionWorld,
) -> None:
    def without_settings(backend: str) -> StorageBackend:
        raise ConfigurationError(f"nothing is set for {backend}")

    item = world.store(loans=ONE)
    with pytest.raises(BackendUnreachable, match=f"unreachable: backend {item.backend}"):
        world.delete(item, stores=EvidenceStores("elsewhere", without_settings))
    assert world.item("loans").state is State.STORED


@pytest.mark.parametrize("finisher", ["next run", "next deletion"])
def test_a_row_that_cannot_be_removed_waits_for_the_next_run_or_call(
    world: DeletionWorld, finisher: str
) -> None:
    item = world.store(loans=ONE)
    world.refuse_rows()

    deleted = world.delete(item)

    assert deleted.removed_file
    assert deleted.problem.startswith("[KM-")
    assert world.item("loans").state is State.DELETING
    world.mend()
    assert world.metadata() == {"loans"}
    if finisher == "next run":
        world.day.bronze()
    else:
        assert world.delete(item).problem == ""
    assert world.metadata() == set()
    assert world.item("loans").state is State.DELETED


def test_a_run_that_cannot_remove_the_row_leaves_its_day_due(world: DeletionWorld) -> None:
    item = world.store(loans=ONE)
    world.refuse_rows()
    world.delete(item)

    with pytest.raises((AccessRefused, RemoteFault)):
        world.day.bronze()

    assert world.is_due()
    world.mend()
    world.day.bronze()
    world.day.datasets()
    assert (world.metadata(), world.is_due()) == (set(), False)


def test_a_file_that_cannot_be_removed_keeps_its_row_and_goes_with_the_next_run(
    world: DeletionWorld,
) -> None:
    item = world.store(loans=ONE)
    world.refuse_files(item)

    with pytest.raises(KmflowError):
        world.delete(item)

    world.mend()
    assert (world.metadata(), world.item("loans").state) == ({"loans"}, State.DELETING)
    assert world.day.group.store.exists(item.stored_path)
    world.day.bronze()
    assert not world.day.group.store.exists(item.stored_path)
    assert (world.metadata(), world.item("loans").state) == (set(), State.DELETED)


@pytest.mark.journey
def test_killed_between_file_and_row_the_next_run_ends_it(world: DeletionWorld) -> None:
    world.take(loans=ONE)
    item = world.item("loans")

    assert world.killed_before_the_row(item)

    assert not world.day.group.store.exists(item.stored_path)
    assert (world.metadata(), world.item("loans").state) == ({"loans"}, State.DELETING)
    world.day.work()
    assert (world.metadata(), world.item("loans").state) == (set(), State.DELETED)
    assert (world.dataset("loans"), world.agrees()) == ([], True)


@pytest.mark.journey
def test_a_duplicate_takes_the_place_and_the_bytes_go_with_the_last_of_them(
    world: DeletionWorld,
) -> None:
    world.take(loans=ONE)
    world.take(zz=ONE)
    original, copy = world.item("loans"), world.item("zz")
    assert copy.state is State.DUPLICATE

    first = world.delete(original)
    world.day.work()

    assert (first.removed_file, first.deletion.keeps_bytes) == (False, True)
    assert (world.dataset("loans"), len(world.dataset("zz"))) == ([], 1)
    promoted = world.item("zz")
    assert (promoted.state, promoted.duplicate_of_id) == (State.PUBLISHED, None)
    assert (world.metadata(), world.agrees()) == ({"zz"}, True)

    assert world.delete(promoted).removed_file
    world.day.work()
    assert not world.day.group.store.exists(promoted.stored_path)
    assert (world.dataset("zz"), world.metadata()) == ([], set())


@pytest.mark.journey
def test_a_superseded_version_goes_and_the_present_one_stays(world: DeletionWorld) -> None:
    world.take(loans=ONE)
    world.take(loans=TWO)
    old, new = world.item("loans", State.SUPERSEDED), world.item("loans", State.PUBLISHED)

    assert world.delete(old).removed_file
    world.day.work()

    assert world.day.group.store.exists(new.stored_path)
    assert [row["id"] for row in world.dataset("loans")] == [2]
    assert world.item("loans", State.DELETED).item_id == old.item_id


@pytest.mark.journey
def test_the_same_content_dropped_again_is_stored_anew(world: DeletionWorld) -> None:
    world.take(loans=ONE)
    item = world.item("loans")
    world.delete(item)
    world.day.work()

    world.take(loans=ONE)

    anew = world.item("loans")
    assert (anew.item_id, anew.state, anew.deleted_at) == (item.item_id, State.PUBLISHED, None)
    assert world.day.group.store.read(anew.stored_path) == ONE.encode()
    assert (len(world.dataset("loans")), world.metadata()) == (1, {"loans"})
    assert len(world.rows("bronze_evidence_raw")) == 1
    assert world.agrees()


@ONE_BACKEND
def test_what_lies_in_landing_still_is_not_taken_in_again(world: DeletionWorld) -> None:
    world.delete(world.store(loans=ONE))
    world.day.take_in()
    assert world.item("loans").state is State.DELETED


def test_content_that_comes_back_too_early_waits_until_the_deletion_is_finished(
    world: DeletionWorld,
) -> None:
    item = world.store(loans=ONE)
    world.refuse_files(item)
    with pytest.raises(KmflowError):
        world.delete(item)
    world.mend()

    world.drop(loans=ONE)
    world.day.take_in()
    (failed,) = world.day.context.ledger.summary(ACME).failed
    assert "being deleted" in failed.message
    assert world.item("loans").state is State.DELETING
    world.day.bronze()

    world.at(world.now + timedelta(minutes=2))
    world.day.take_in()
    assert world.item("loans").state is State.STORED
    assert world.day.group.store.read(world.item("loans").stored_path) == ONE.encode()


@pytest.mark.journey
def test_two_deletions_do_not_stand_in_the_way_of_each_others_rebuild(
    world: DeletionWorld,
) -> None:
    # Without the text the column holds decimals, without those whole numbers: either way the table
    # is made anew from the bytes of what is left.
    world.take(wide_1="id,amount\n1,1\n", wide_2="id,amount\n2,n/a\n", wide_3="id,amount\n3,3.5\n")
    for name in ("wide_2", "wide_3"):
        world.delete(world.item(name))

    world.day.work()

    assert world.dataset("wide") == [{"id": 1, "amount": 1}]
