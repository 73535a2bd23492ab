"""Storing a batch: each file exactly once, neighbours go on, content decides."""

from __future__ import annotations

import os
import socket

from kmflow_orchestration.errors import RemoteFault, StorageUnavailable
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.decisions import Kind
from kmflow_orchestration.intake.ledger import Scores, State, Step
from kmflow_orchestration.intake.reading import KEPT_BYTES
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import MAX_SIZE_BYTES, LandingPlace

SCORES = Scores(0.5, 0.4, 0.3, 0.2, 0.4)


def names(stored) -> list[str]:
    return sorted(file.file_name for file in stored.stored)


def test_new_files_are_stored_and_confirmed_in_one_listing(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "a,b\n1,2\n")
    acme.drop("e1/deep/notes.md", "# hi")

    stored = acme.take_in()

    assert names(stored) == ["loans.csv", "notes.md"]
    assert stored.size_bytes == 12
    item = acme.item("loans.csv")
    assert acme.store.read(item.stored_path) == b"a,b\n1,2\n"
    assert (item.state, item.category, item.media_type) == (
        "stored",
        "structured_data",
        "text/csv",
    )
    assert acme.store.confirmations == 1


def test_a_second_look_and_run_store_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "x")
    acme.take_in()
    assert acme.take_in() is None
    assert acme.store.sent == ["loans.csv"]


def test_a_day_without_files_is_no_batch(acme: LandingPlace) -> None:
    assert acme.take_in() is None
    assert acme.ledger.stored_batches(acme.group, acme.today) == []


def test_a_side_file_stays_with_its_item(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "x")
    acme.drop("e1/loans.csv.meta.yaml", "category: controls_evidence\nauthor: Ann\nage: 3\n")
    acme.take_in()
    item = acme.item("loans.csv")
    assert (item.category, item.side.author) == ("controls_evidence", "Ann")
    assert item.side.warnings == ("unknown field 'age'",)


def test_files_that_cannot_enter_are_quarantined_and_neighbours_go_on(acme: LandingPlace) -> None:
    acme.drop("e1/empty.csv", "")
    acme.drop("e1/big.csv", "x" * (MAX_SIZE_BYTES + 1))
    acme.drop("e1/gone.csv", "x")
    acme.drop("e1/good.csv", "x")
    acme.look()
    (acme.root / "e1/gone.csv").unlink()

    stored = acme.store_day()

    assert {one.path: one.code for one in stored.quarantined} == {
        "e1/empty.csv": "empty",
        "e1/big.csv": "too_large",
        "e1/gone.csv": "vanished",
    }
    assert names(stored) == ["good.csv"]
    assert acme.take_in() is None


def test_a_vanished_file_that_comes_back_as_it_was_is_stored(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.look()
    aside = acme.home / "aside.csv"
    (acme.root / "e1/a.csv").rename(aside)
    acme.store_day()
    aside.rename(acme.root / "e1/a.csv")
    assert names(acme.take_in()) == ["a.csv"]


def test_a_file_swapped_for_a_link_after_the_look_is_never_read(acme: LandingPlace) -> None:
    secret = acme.home / "secret.csv"
    secret.write_text("s")
    acme.drop("e1/a.csv", "x")
    acme.drop("e1/b/c.csv", "x")
    acme.look()
    (acme.root / "e1/a.csv").unlink()
    (acme.root / "e1/a.csv").symlink_to(secret)
    (acme.root / "e1/b/c.csv").unlink()
    (acme.root / "e1/b").rmdir()
    (acme.home / "c.csv").write_text("s")
    (acme.root / "e1/b").symlink_to(acme.home)

    stored = acme.store_day()

    assert [one.code for one in stored.quarantined] == ["path_trick", "path_trick"]
    assert acme.store.sent == []


def test_a_file_that_changed_since_the_look_waits_again(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.look()
    acme.drop("e1/a.csv", "xy", age_s=0)

    stored = acme.store_day()

    assert stored.waiting == ("e1/a.csv",)
    acme.clock.advance(10)
    assert names(acme.take_in()) == ["a.csv"]
    assert acme.store.sent == ["a.csv"]


def test_a_file_that_changes_while_it_is_sent_waits_again(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x" * (KEPT_BYTES + 1))
    acme.drop("e1/b.csv", "y")
    acme.store.before_send = lambda file: (
        acme.drop("e1/a.csv", "z") if file.file_name == "a.csv" else None
    )

    stored = acme.take_in()

    assert stored.waiting == ("e1/a.csv",)
    assert names(stored) == ["b.csv"]


def test_a_small_file_that_changes_meanwhile_is_stored_as_it_was_hashed(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.store.before_send = lambda _: acme.drop("e1/a.csv", "xy")

    (first,) = acme.take_in().stored
    acme.store.before_send = lambda _: None
    acme.clock.advance(60)
    (second,) = acme.take_in().stored

    assert acme.store.read(first.item.stored_path) == b"x"
    assert second.item.supersedes_id == first.item.item_id


def test_content_dropped_twice_is_stored_once(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "same")
    acme.drop("e1/copy of a.csv", "same")
    stored = acme.take_in()
    copy, original = acme.item("copy of a.csv"), acme.item("a.csv")
    assert stored.duplicates == 1
    assert (copy.state, copy.duplicate_of_id) == (State.DUPLICATE, original.item_id)
    assert copy.stored_path == original.stored_path
    assert acme.store.sent == ["a.csv"]


def test_a_third_copy_is_a_duplicate_of_the_first(acme: LandingPlace) -> None:
    for name in ("a", "b", "c"):
        acme.drop(f"e1/{name}.csv", "same")
        acme.take_in()
        acme.clock.advance(60)
    first = acme.item("a.csv").item_id
    assert [acme.item(f"{name}.csv").duplicate_of_id for name in "abc"] == [None, first, first]


def test_the_same_file_in_another_folder_writes_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "same")
    acme.take_in()
    acme.drop("e1/backup/a.csv", "same")
    stored = acme.take_in()
    assert (stored.stored, stored.unchanged) == ((), 1)
    batch = acme.ledger.stored_batches(acme.group, acme.today)[-1]
    assert all(batch.is_finished(step) for step in Step)
    assert len(acme.items()) == 1


def test_a_touched_file_writes_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "same")
    acme.take_in()
    acme.age("e1/a.csv", 50)
    assert acme.take_in().unchanged == 1
    assert acme.store.sent == ["a.csv"]


def test_new_content_at_a_path_supersedes_the_old(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "old")
    acme.take_in()
    old = acme.item("a.csv")
    acme.drop("e1/a.csv", "new")
    acme.take_in()

    new = acme.item("a.csv", state=State.STORED)
    batch = acme.ledger.stored_batches(acme.group, acme.today)[-1]
    assert new.supersedes_id == old.item_id
    assert acme.item("a.csv", state=State.SUPERSEDED).batch_id == old.batch_id
    assert batch.replaced_item_ids == (old.item_id,)
    assert batch.moved_item_ids == ()
    assert acme.store.read(old.stored_path) == b"old"


def test_content_that_returns_revives_its_item_without_sending_it(acme: LandingPlace) -> None:
    for content in ("old", "new", "old"):
        acme.drop("e1/a.csv", content)
        stored = acme.take_in()
        acme.clock.advance(60)

    revived = acme.item("a.csv", state=State.STORED)
    batches = acme.ledger.stored_batches(acme.group, acme.today)
    assert [file.kind for file in stored.stored] == [Kind.REVIVED]
    assert len(acme.store.sent) == 2
    assert revived.batch_id == batches[-1].batch_id
    assert batches[-1].moved_item_ids == (revived.item_id,)
    # A replay of the second batch must leave the revived item's rows alone.
    assert revived.item_id not in batches[1].replaced_item_ids


def test_the_duplicate_of_a_superseded_original_is_promoted(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "same")
    acme.drop("e1/b.csv", "same")
    acme.take_in()
    acme.drop("e1/a.csv", "new")
    acme.take_in()

    promoted = acme.item("b.csv")
    batch = acme.ledger.stored_batches(acme.group, acme.today)[-1]
    assert (promoted.state, promoted.duplicate_of_id) == (State.STORED, None)
    assert promoted.batch_id == batch.batch_id
    assert set(batch.moved_item_ids) == {promoted.item_id}
    assert acme.store.read(promoted.stored_path) == b"same"


def test_a_failed_upload_is_tried_again_ever_later(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.drop("e1/b.csv", "y")
    acme.store.failing["a.csv"] = StorageUnavailable("503")
    acme.look()
    waits = []
    for _ in range(6):
        stored = acme.store_day()
        assert [one.code for one in stored.failed] == ["KM-REMOTE-002"]
        (failed,) = acme.ledger.summary(acme.group).failed
        waits.append((failed.retry_at - acme.clock.now()).total_seconds() / 60)
        if waits[-1]:
            acme.clock.advance(waits[-1] * 60 - 1)
            assert acme.store_day() is None
            acme.clock.advance(1)

    assert waits == [0, 1, 4, 15, 60, 60]
    acme.store.failing.clear()
    assert names(acme.store_day()) == ["a.csv"]
    assert acme.ledger.summary(acme.group).failed == ()


def test_the_duplicate_of_an_original_that_failed_is_sent_instead(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "same")
    acme.drop("e1/b.csv", "same")
    acme.store.failing["a.csv"] = RemoteFault("reset")

    stored = acme.take_in()

    assert names(stored) == ["b.csv"]
    assert acme.item("b.csv").state is State.STORED
    acme.store.failing.clear()
    acme.store_day()
    assert acme.item("a.csv").duplicate_of_id == acme.item("b.csv").item_id


def test_a_store_that_is_away_is_not_asked_for_every_file(acme: LandingPlace) -> None:
    for number in range(60):
        acme.drop(f"e1/{number}.csv", str(number))
        acme.store.failing[f"{number}.csv"] = StorageUnavailable("503")
    tried = []
    acme.store.before_send = lambda file: tried.append(file.file_name)

    stored = acme.take_in()

    assert len(stored.failed) == 60
    assert len(tried) < 40


def test_what_cannot_be_confirmed_counts_as_failed(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.store.confirm = lambda _: frozenset()  # type: ignore[method-assign]
    stored = acme.take_in()
    assert [one.landing_path for one in stored.failed] == ["e1/a.csv"]
    assert acme.items() == []


def test_a_second_drop_on_the_same_day_keeps_the_first_batch(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.take_in()
    first = acme.items()
    acme.drop("e1/b.csv", "y")
    stored = acme.take_in()
    assert stored.number == 2
    assert acme.items()[: len(first)] == first


def test_published_scores_are_set_once_and_survive_a_replay(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    stored = acme.take_in()
    item = acme.item("a.csv").item_id
    acme.ledger.mark_converted(acme.group, item, "csv-1")
    acme.ledger.publish(acme.group, stored.batch_id, {item: SCORES})
    published = acme.item("a.csv")
    acme.clock.advance(3600)
    acme.ledger.mark_converted(acme.group, item, "csv-1")
    acme.ledger.publish(acme.group, stored.batch_id, {item: Scores(1, 1, 1, 1, 1)})

    again = acme.item("a.csv")
    assert (again.scores, again.scores_at) == (SCORES, published.scores_at)
    assert (again.state, again.converter_version) == (State.PUBLISHED, "csv-1")


def test_groups_with_equal_files_share_nothing(new_place) -> None:
    places = [new_place("acme"), new_place("globex")]
    for place in places:
        place.drop("e1/a.csv", "same")
        place.take_in()
    items = [place.item("a.csv") for place in places]
    assert items[0].item_id != items[1].item_id
    assert [item.group_id for item in items] == ["acme", "globex"]
    assert [place.store.sent for place in places] == [["a.csv"], ["a.csv"]]


def audited(place: LandingPlace) -> list[Deed]:
    """Records of the audit trail, the first one first."""
    engine = engine_of(place.database_url)
    entries = ConfigAudit(open_sessions(engine), place.clock).entries(place.group)
    return [entry.deed for entry in reversed(entries)]


def test_a_batch_is_one_record_of_the_audit_trail(acme: LandingPlace) -> None:
    for number in range(5):
        acme.drop(f"e1/loans_{number}.csv", f"x{number}")
    acme.drop("e1/copy.csv", "x0")
    acme.drop("e1/empty.csv", "")
    stored = acme.take_in()
    acme.take_in()

    (deed,) = audited(acme)
    assert deed.action is AuditAction.UPLOAD
    assert deed.actor_email == f"process {os.getpid()} on {socket.gethostname()}"
    assert deed.after == {
        "what": "evidence",
        "day": acme.today.isoformat(),
        "batch": 1,
        "batch_id": stored.batch_id,
        "files": 5,
        "size_bytes": 10,
        "copies": 1,
        "returned": 0,
    }


def test_a_batch_of_nothing_but_refused_files_uploaded_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/empty.csv", "")
    acme.take_in()
    assert audited(acme) == []


def test_content_that_comes_back_is_told_from_content_that_is_new(acme: LandingPlace) -> None:
    for content in ("first", "second", "first"):
        acme.drop("e1/loans.csv", content)
        acme.take_in()
    assert [deed.after["returned"] for deed in audited(acme)] == [0, 0, 1]


def test_the_run_that_stored_a_batch_is_who_did_it(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "x")
    acme.look()
    acme.store_day(holder=this_process("r1"))
    assert [deed.actor_email for deed in audited(acme)] == ["Dagster run r1"]
