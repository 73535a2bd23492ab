"""Why a file is, or is not, evidence: its history, every state, and what would happen now (H21)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import GroupRefused, StorageUnavailable, UnsafePath
from kmflow_orchestration.intake import entry_rules
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.file_history import FileHistory
from kmflow_orchestration.intake.file_rules import rule_of
from kmflow_orchestration.intake.ledger import Scores
from kmflow_orchestration.intake.outlook import Landing
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.explain_file import FileStory, explain_file
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import MAX_SIZE_BYTES, LandingPlace

ANN = caller_of("ann@kmflow.test", ("acme",), Role.VIEWER)
SCORES = Scores(1.0, 1.0, 1.0, 1.0, 1.0)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stories(place: LandingPlace, asked: str) -> tuple[FileStory, ...]:
    sessions = open_sessions(engine_of(place.database_url))
    return explain_file(
        place.group,
        asked,
        caller=ANN,
        history=FileHistory(sessions, place.clock),
        registry=DatasetTables(sessions),
        corrections=CorrectionStore(sessions, place.clock),
        landing=Landing(place.root, 5.0, MAX_SIZE_BYTES),
        clock=place.clock,
    ).stories


def story(place: LandingPlace, path: str) -> FileStory:
    (only,) = stories(place, path)
    return only


def decisions(told: FileStory) -> list[str]:
    return [f"{one.decision} {one.code}".strip() for one in told.steps]


def register(place: LandingPlace) -> EvidenceRegister:
    return EvidenceRegister(open_sessions(engine_of(place.database_url)), place.clock)


def test_each_version_is_told_in_order_with_what_was_decided(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "first")
    acme.take_in()
    acme.clock.advance(60)
    acme.drop("e1/loans.csv", "second, longer")
    acme.take_in()
    acme.clock.advance(60)
    acme.drop("e1/loans.csv", "second, longer")  # written anew, with the same content
    acme.take_in()

    told = story(acme, "e1/loans.csv")
    acme.take_in()

    assert story(acme, "e1/loans.csv") == told  # to look again adds nothing
    assert decisions(told) == [
        *("seen", "new"),
        *("changed", "superseded", "new"),
        *("changed", "same"),
    ]
    first, second = sha256("first"), sha256("second, longer")
    assert [one.content_hash for one in told.steps if one.decision == "new"] == [first, second]
    assert [one.size_bytes for one in told.steps if one.decision in {"seen", "changed"}] == [
        *(5, 14, 14)
    ]
    assert [one.at for one in told.steps] == sorted(one.at for one in told.steps)
    assert all(one.rule for one in told.steps)
    assert (told.steps[1].state, told.steps[-1].state) == ("superseded", "stored")
    assert told.steps[1].modified_at is not None
    assert told.steps[1].modified_at < told.steps[1].at
    assert (told.state, told.outlook.verdict) == ("stored", "same")


def test_a_step_names_run_tables_and_rows(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "id\n1\n")
    acme.look()
    acme.store_day(holder=this_process("run-7"))
    item = acme.item("loans.csv")
    DatasetTables(open_sessions(engine_of(acme.database_url))).record(
        acme.group, [part_of(acme, item.item_id, item.batch_id)]
    )

    last = story(acme, "e1/loans.csv").steps[-1]

    assert (last.run, last.batch_id, last.item_id) == ("run-7", item.batch_id, item.item_id)
    assert last.tables == (("e1__loans", 3),)


def part_of(place: LandingPlace, item_id: str, batch_id: str) -> DatasetPart:
    return DatasetPart(
        group_id=place.group,
        item_id=item_id,
        part="",
        engagement_id="e1",
        table_name="e1__loans",
        batch_id=batch_id,
        received_on=date(2026, 11, 20),
        file_name="loans.csv",
        media_type="text/csv",
        content_hash="",
        columns=(),
        row_count=3,
    )


def test_a_duplicate_names_its_original_and_a_content_all_its_paths(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "same words")
    acme.take_in()
    acme.drop("e1/copy.csv", "same words")
    acme.drop("e1/again/loans.csv", "same words")
    acme.take_in()

    again, copy, original = stories(acme, sha256("same words").upper())

    assert [one.path for one in (again, copy, original)] == [
        *("e1/again/loans.csv", "e1/copy.csv", "e1/loans.csv")
    ]
    assert decisions(copy) == ["seen", "duplicate of e1/loans.csv"]
    assert copy.steps[-1].state == "duplicate"
    assert decisions(again) == ["seen", "same"]
    assert decisions(original) == ["seen", "new"]


def test_a_content_that_came_back_is_told(acme: LandingPlace) -> None:
    for text in ("first", "second one", "first"):
        acme.drop("e1/loans.csv", text)
        acme.take_in()

    told = decisions(story(acme, "e1/loans.csv"))
    assert [one for one in told if one != "changed"] == [
        *("seen", "new", "superseded", "new", "superseded", "revived")
    ]


def waiting(place: LandingPlace) -> None:
    place.drop("e1/loans.csv", "x", age_s=1)
    place.look()


def pending(place: LandingPlace) -> None:
    place.drop("e1/loans.csv", "x")
    place.look()


def claimed(place: LandingPlace) -> None:
    pending(place)

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    place.store.before_send = stopped
    with pytest.raises(KeyboardInterrupt):
        place.store_day()


def stored(place: LandingPlace) -> None:
    pending(place)
    place.store_day()


def converted(place: LandingPlace) -> None:
    stored(place)
    place.ledger.mark_converted(place.group, place.item("loans.csv").item_id, "v1")


def published(place: LandingPlace) -> None:
    converted(place)
    item = place.item("loans.csv")
    place.ledger.publish(place.group, item.batch_id, {item.item_id: SCORES})


def duplicate(place: LandingPlace) -> None:
    place.drop("e1/a.csv", "x")
    place.take_in()
    stored(place)


def superseded(place: LandingPlace) -> None:
    stored(place)
    place.drop("e1/loans.csv", "more than x")
    place.look()


def quarantined(place: LandingPlace) -> None:
    place.drop("e1/loans.csv", "")
    place.take_in()


def refused_at_conversion(place: LandingPlace) -> None:
    stored(place)
    item = place.item("loans.csv")
    place.ledger.quarantine_item(place.group, item.item_id, "corrupt", "no table in it")


def failed(place: LandingPlace) -> None:
    pending(place)
    place.store.failing["loans.csv"] = StorageUnavailable("the disk is full")
    place.store_day()


def deleting(place: LandingPlace) -> None:
    stored(place)
    register(place).begin_deletion(place.group, place.item("loans.csv").item_id, actor="ann")


def deleted(place: LandingPlace) -> None:
    deleting(place)
    items = register(place).items(place.group, limit=9)
    register(place).finish_deletion(place.group, [one.item_id for one in items])


@pytest.mark.parametrize(
    ("arrange", "told_as", "verdict"),
    [
        (waiting, ("waiting", "", "seen waiting"), "waiting"),
        (pending, ("pending", "", "seen"), "pending"),
        (claimed, ("claimed", "", "seen"), "claimed"),
        (stored, ("stored", "stored", "new"), "same"),
        (converted, ("stored", "converted", "new"), "same"),
        (published, ("stored", "published", "new"), "same"),
        (duplicate, ("stored", "duplicate", "duplicate of e1/a.csv"), "same"),
        (superseded, ("pending", "", "changed"), "pending"),
        (quarantined, ("quarantined", "", "quarantined empty"), "quarantined"),
        (refused_at_conversion, ("stored", "quarantined", "new corrupt"), "same"),
        (failed, ("failed", "", "failed KM-REMOTE-002"), "failed"),
        (deleting, ("stored", "deleting by ann at 2026-11-20 09:00 UTC", "new"), "same"),
        (deleted, ("stored", "deleted by ann at 2026-11-20 09:00 UTC", "new"), "same"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_every_state_of_the_ledger_is_told(
    acme: LandingPlace,
    arrange: Callable[[LandingPlace], None],
    told_as: tuple[str, str, str],
    verdict: str,
) -> None:
    """`told_as` are the line's state, the item's, and the last decision."""
    arrange(acme)
    told = story(acme, "e1/loans.csv")
    assert (told.state, told.steps[-1].state, decisions(told)[-1]) == told_as
    assert told.outlook.verdict == verdict
    if arrange is failed:
        assert "the disk is full, again at " in told.outlook.reason


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("e1/.hidden", "x", ("ignored", "'.hidden' matches .[!.]*", "")),
        ("e1/.git/config", "x", ("ignored", "'.git' matches", "")),
        ("e1/half.csv.part", "x", ("ignored", "matches *.part", "")),
        ("e1/a.csv.meta.yaml", "x", ("ignored", "matches *.meta.yaml", "")),
        ("loose.csv", "x", ("quarantined", "lies in no engagement's folder", "landing_path")),
        ("No Id/a.csv", "x", ("quarantined", "is no engagement id", "")),
        ("e1/%2f.csv", "x", ("quarantined", "encoded separator", "")),
        ("e1/empty.csv", "", ("quarantined", "is empty", "")),
        ("e1/big.csv", "x" * (MAX_SIZE_BYTES + 1), ("quarantined", "limit", "MAX_UPLOAD_SIZE_MB")),
        ("e1/new.csv", "x", ("new", "the next look takes it in", "")),
        ("e1/none.csv", None, ("missing", "there is no file", "")),
        ("e2/none.csv", None, ("missing", "is not there", "landing_path")),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else None,
)
def test_a_path_never_seen_says_what_keeps_it_out(
    acme: LandingPlace, path: str, content: str | None, expected: tuple[str, str, str]
) -> None:
    """`expected` are the verdict, words of its reason, and the setting."""
    verdict, words, setting = expected
    acme.drop("e1/known.csv", "y")
    if content is not None:
        acme.drop(path, content)

    told = story(acme, path)

    assert (told.was_seen, told.steps, told.outlook.verdict) == (False, (), verdict)
    assert words in told.outlook.reason
    assert told.outlook.setting == setting


def test_the_quiet_period_is_named_with_its_setting(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "x", age_s=2)
    told = story(acme, "e1/loans.csv").outlook
    assert (told.verdict, told.setting) == ("waiting", "KMFLOW_QUIET_PERIOD_S")
    assert told.reason == "it changed 2 s ago, the quiet period is 5 s"


def test_a_new_content_is_foretold_as_it_is_then_decided(acme: LandingPlace) -> None:
    acme.drop("e1/loans.csv", "x")
    acme.take_in()
    acme.drop("e1/copy.csv", "x")
    acme.drop("e1/sub/loans.csv", "x")
    acme.drop("e1/other.csv", "other")
    paths = ("e1/copy.csv", "e1/sub/loans.csv", "e1/other.csv")

    foretold = [story(acme, path).outlook.verdict for path in paths]
    acme.take_in()

    assert foretold == ["duplicate", "same", "new"]
    became = [decisions(story(acme, path))[-1].split()[0] for path in paths]
    assert became == foretold


def test_a_type_that_may_not_enter_is_foretold_as_it_is_then_decided(acme: LandingPlace) -> None:
    acme.drop("e1/report.pdf", b"\x7fELF\x02\x01\x01" + bytes(200))

    foretold = story(acme, "e1/report.pdf").outlook
    acme.take_in()

    assert (foretold.verdict, foretold.code) == ("quarantined", "type_not_allowed")
    assert "which may not enter" in foretold.reason
    told = story(acme, "e1/report.pdf")
    assert decisions(told)[-1] == "quarantined type_not_allowed"
    assert told.steps[-1].rule == foretold.rule != ""


def test_every_reason_that_keeps_a_file_out_has_its_rule() -> None:
    reasons = [value for name, value in vars(entry_rules).items() if value == name.lower()]

    assert {"too_large", "type_not_allowed"} <= set(reasons)
    assert [r for r in reasons if rule_of("quarantined", r) == rule_of("quarantined")] == []


def test_pipes_and_links_to_folders_are_explained(acme: LandingPlace) -> None:
    acme.drop("e1/real/a.csv", "x")
    os.mkfifo(acme.root / "e1" / "pipe")
    (acme.root / "e1" / "link").symlink_to(acme.root / "e1" / "real")
    (acme.root / "e1" / "out.csv").symlink_to("/etc/passwd")

    pipe, link, out = (
        story(acme, path).outlook for path in ("e1/pipe", "e1/link/a.csv", "e1/out.csv")
    )

    assert (pipe.verdict, pipe.code) == ("quarantined", "unreadable")
    assert (link.verdict, "is a link" in link.reason) == ("ignored", True)
    assert (out.verdict, out.code) == ("quarantined", "path_trick")


def test_a_path_may_be_absolute_within_landing_and_nowhere_else(acme: LandingPlace) -> None:
    place = acme.drop("e1/loans.csv", "x")
    acme.take_in()

    assert story(acme, str(place)) == story(acme, "e1/loans.csv")
    for path in ("/etc/passwd", "e1/../../globex/e1/a.csv", "../globex/e1/a.csv"):
        with pytest.raises(UnsafePath):
            story(acme, path)


def test_another_groups_files_are_nobodys(
    acme: LandingPlace, new_place: Callable[[str], LandingPlace]
) -> None:
    globex = new_place("globex")
    globex.drop("e1/theirs.csv", "theirs")
    globex.take_in()

    assert story(acme, "e1/theirs.csv").was_seen is False
    assert stories(acme, sha256("theirs")) == ()
    with pytest.raises(GroupRefused):
        stories(globex, "e1/theirs.csv")


def test_a_file_from_before_histories_were_kept_tells_what_the_ledger_knows(
    acme: LandingPlace,
) -> None:
    stored(acme)
    with engine_of(acme.database_url).begin() as connection:
        connection.execute(sa.text("DELETE FROM landing_events"))

    told = story(acme, "e1/loans.csv")

    assert (decisions(told), told.steps[0].content_hash) == (["stored"], sha256("x"))


@pytest.mark.sqlite
@pytest.mark.parametrize("asked", ["e1/loans.csv", sha256("x")], ids=["path", "content"])
def test_no_statement_reads_a_whole_table(acme: LandingPlace, asked: str) -> None:
    duplicate(acme)
    engine = engine_of(acme.database_url)
    sent: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        sent.append((sql, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert stories(acme, asked)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)

    queries = [(sql, values) for sql, values in sent if sql.startswith("SELECT")]
    assert len(queries) >= 4
    with engine.connect() as connection:
        plans = [
            str(row[3])
            for sql, values in queries
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]
    # An index by the group alone would read all that a group has; of corrections, which people
    # made one by one, that is what is asked for.
    wide = [one for one in plans if one.startswith("SCAN") or "(group_id=?)" in one]
    assert [one for one in wide if "dataset_corrections" not in one] == []
    assert any("ix_landing_events" in plan for plan in plans)
