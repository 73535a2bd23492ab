"""What is kept back is listed, shown, tried again and accepted, over the embedded workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import (
    GroupRefused,
    InvalidOptions,
    InvalidSettings,
    RemoteFault,
    RoleRefused,
    StateConflict,
    UnknownEvidence,
)
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.metadata.config_audit import AuditAction
from kmflow_orchestration.metadata.quarantine_records import HeldBack
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.quarantine import (
    list_quarantine,
)
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.operations.trace_rows import trace_rows
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.operations.quarantine.conftest import LINES, MEMO
from kmflow_orchestration_tests.operations.quarantine.deeds import (
    accept,
    codes,
    held,
    of_item,
    retry,
    show,
    story,
    the,
)
from kmflow_orchestration_tests.operations.workspace_group import WorkspaceGroup


def test_files_and_items_are_listed_with_counts_by_code(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/good.csv", "id\n1\n")
    acme.drop(f"{engagement}/empty.csv", "")
    acme.drop(f"{engagement}/lines.jsonl", LINES)
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.convert()

    found = held(acme, engagement=engagement)

    assert found.counts == {"corrupt": 1, "empty": 1, "missing_memo": 1}
    assert [(one.kind, one.path.rpartition("/")[2]) for one in found.entries] == [
        ("file", "empty.csv"),
        ("item", "lines.jsonl"),
        ("item", "notes.dbf"),
    ]
    only = held(acme, engagement=engagement, code="empty")
    assert [one.code for one in only.entries] == ["empty"]
    first = held(acme, engagement=engagement, limit=1)
    assert (len(first.entries), first.total) == (1, 3)


def test_one_is_shown_with_its_line_and_how_to_mend_it_and_no_secret(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/lines.jsonl", LINES)
    acme.drop(f"{engagement}/empty.csv", "")
    acme.convert()
    item = acme.item_at(f"{engagement}/lines.jsonl")

    by_id, by_path = show(acme, item.item_id), show(acme, f"{engagement}/lines.jsonl")
    empty = show(acme, f"{engagement}/empty.csv")

    assert by_id == by_path
    assert by_id.place is not None
    assert (by_id.place.kind, by_id.place.number) == ("line", 3)
    assert by_id.place.text.startswith("{bad token=")
    assert "dapi0123" not in by_id.place.text
    assert "retry" in by_id.how
    assert empty.rule == "a file without content is no evidence"
    assert empty.place is None


def test_without_its_store_all_else_is_shown(acme: WorkspaceGroup, engagement: str) -> None:
    acme.drop(f"{engagement}/lines.jsonl", LINES)
    acme.convert()
    fault = Fault("fail_times", path="/api/2.0/fs/files*", times=100, status=404)
    number = acme.groups.room.server.faults.add(fault)
    try:
        found = show(acme, f"{engagement}/lines.jsonl")
    finally:
        acme.groups.room.server.faults.remove(number)

    assert (found.entry.code, found.place) == ("corrupt", None)
    assert "cannot be read now" in found.problem


def test_what_is_tried_again_is_converted_alone_with_other_options(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.drop(f"{engagement}/other.csv", "id\n1\n")
    acme.work()
    one = the(acme, engagement)
    options = {"ignore_missing_memo": True}

    planned = retry(acme, one.item_id, options=options, dry_run=True)
    assert codes(acme, engagement) == {"notes.dbf": "missing_memo"}
    done = retry(acme, one.item_id, options=options)
    (published,) = acme.work()

    assert planned.tried == done.tried == planned.corrected == (one,)
    assert codes(acme, engagement) == {}
    assert (published.converted, published.rows_written) == (1, 2)
    table = f"{engagement}__notes"
    assert sorted((row["id"], row["note"]) for row in acme.rows(table)) == [(1, None), (2, None)]
    assert len(acme.rows(f"{engagement}__other")) == 1
    # All that was written of it before has gone with the batch it left.
    log = of_item(acme, "bronze_ingestion_log", one.item_id)
    assert [row["status"] for row in log] == ["success"]
    assert len(of_item(acme, "bronze_evidence_raw", one.item_id)) == 1
    # A row is traced by what was remembered, which is told.
    tracing = {**acme.own.tracing(), "workers": 0}
    (traced,) = trace_rows(acme.id, table, ["id=2"], caller=acme.caller, **tracing).rows
    assert traced.source is not None
    assert [cell.text for cell in traced.source.cells] == ["2", None]
    assert [one["name"] for one in traced.receipt["corrections"]] == ["ignore_missing_memo"]
    # Nothing is left to do, and a run of the day all the same reads it by what was remembered.
    assert acme.work() == []
    publish_datasets(acme.id, one.received_on, **{**acme.own.converting(), "workers": 0})
    assert acme.item_at(one.path).state is State.PUBLISHED
    assert len(acme.rows(table)) == 2


def test_a_row_of_what_was_tried_again_leads_to_the_run_that_stored_it(
    acme: WorkspaceGroup, engagement: str
) -> None:
    home = acme.groups
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.look()
    with Context(home.context.settings, clock=home.clock, dagster_run_id="r1") as run:
        while store_batch(acme.id, utc_day(home.clock.now()), **run.group(acme.id).storing()):
            pass
    acme.convert()
    retry(acme, f"{engagement}/notes.dbf", options={"ignore_missing_memo": True})
    acme.convert()

    own = {**acme.own.tracing(), "workers": 0}
    found = trace_rows(acme.id, f"{engagement}__notes", ["id=1"], caller=acme.caller, **own)
    assert [row.file and row.file.run for row in found.rows] == ["r1"]


def test_a_second_retry_changes_nothing(acme: WorkspaceGroup, engagement: str) -> None:
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.convert()
    one = the(acme, engagement)

    first = retry(acme, one.item_id, one.path)
    second = retry(acme, one.item_id, one.path)

    assert (first.tried, second.tried) == ((one,), ())
    assert second.unchanged == (one.item_id, one.path)
    acme.convert()
    assert codes(acme, engagement) == {"notes.dbf": "missing_memo"}
    assert ("retried", "by ann@kmflow.test") in story(acme, one.path)


def test_all_of_a_code_are_tried_again(acme: WorkspaceGroup, engagement: str) -> None:
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.drop(f"{engagement}/lines.jsonl", LINES)
    acme.convert()

    done = retry(acme, everything=True, code="missing_memo")

    assert {one.code for one in done.tried} == {"missing_memo"}
    assert codes(acme, engagement) == {"lines.jsonl": "corrupt"}
    acme.convert()


def test_a_refused_file_is_looked_at_again(acme: WorkspaceGroup, engagement: str) -> None:
    path = f"{engagement}/empty.csv"
    acme.drop(path, "")
    acme.convert()
    looked = acme.own.landing_root / path

    assert retry(acme, path).tried
    assert codes(acme, engagement) == {}
    acme.convert()
    assert codes(acme, engagement) == {"empty.csv": "empty"}

    retry(acme, path)
    looked.unlink()
    acme.convert()
    assert codes(acme, engagement) == {}


def test_an_accepted_one_waits_no_longer_until_it_is_tried_again(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/lines.jsonl", LINES)
    acme.convert()
    one = the(acme, engagement)
    before = acme.own.refused(one.received_on, stored=True)

    accepted = accept(acme, one.path, reason=" a draft, the real one came later ")
    again = accept(acme, one.item_id)
    acme.convert()

    assert [found.item_id for found in accepted.accepted] == [one.item_id]
    assert (again.accepted, again.unchanged) == ((), (one.item_id,))
    assert codes(acme, engagement) == {}
    (kept,) = held(acme, engagement=engagement, accepted=True).entries
    assert kept.acceptance is not None
    assert (kept.acceptance.accepted_by, kept.acceptance.reason) == (
        "ann@kmflow.test",
        "a draft, the real one came later",
    )
    told = "by ann@kmflow.test: a draft, the real one came later"
    assert ("accepted", told) in story(acme, one.path)
    deeds = [entry.deed for entry in acme.groups.context.config_audit.entries(acme.id)]
    (deed,) = [
        deed
        for deed in deeds
        if deed.action is AuditAction.ACCEPT_QUARANTINE and one.item_id in str(deed.before)
    ]
    assert deed.actor_email == "ann@kmflow.test"
    assert f"{one.path}: corrupt" in before
    assert f"{one.path}: corrupt" not in acme.own.refused(one.received_on, stored=True)

    retry(acme, one.item_id)
    acme.convert()
    assert codes(acme, engagement) == {"lines.jsonl": "corrupt"}


def test_what_was_accepted_of_a_file_is_not_accepted_of_the_next_at_its_path(
    acme: WorkspaceGroup, engagement: str
) -> None:
    path = f"{engagement}/a.csv"
    acme.drop(path, "")
    acme.convert()
    accept(acme, path)
    assert codes(acme, engagement) == {}

    acme.drop(path, "id\n1\n")
    acme.convert()
    acme.drop(path, "")
    acme.convert()

    assert codes(acme, engagement) == {"a.csv": "empty"}


def test_rows_that_were_left_out_are_listed_until_they_are_accepted(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/good.csv", "id\n1\n")
    acme.convert()
    item = acme.item_at(f"{engagement}/good.csv")
    registry = acme.groups.context.datasets
    (part,) = registry.of_items(acme.id, [item.item_id])
    registry.record(
        acme.id, [replace(part, receipt={**part.receipt, "rows_read": 3, "rows_rejected": 2})]
    )

    one = the(acme, engagement)
    shown = show(acme, item.item_id)
    alone = retry(acme, item.item_id)
    accept(acme, item.item_id)

    assert (one.kind, one.code, one.rows) == ("rows", "rows_rejected", 2)
    assert [(part.rejected, part.read) for part in shown.parts] == [(2, 3)]
    # The same reading would leave them out again.
    assert alone.tried == ()
    assert codes(acme, engagement) == {}
    retry(acme, item.item_id)
    assert codes(acme, engagement) == {"good.csv": "rows_rejected"}
    assert retry(acme, item.item_id, options={"null": ["-"]}).corrected
    assert acme.convert()
    assert codes(acme, engagement) == {}
    (after,) = registry.of_items(acme.id, [item.item_id])
    assert after.receipt["rows_rejected"] == 0


class Dying:
    """A collaborator that ends with an error where it would change something."""

    def __init__(self, real: Any, name: str) -> None:
        self._real, self._name = real, name

    def __getattr__(self, name: str) -> Any:
        return self._die if name == self._name else getattr(self._real, name)

    def _die(self, *_: object, **__: object) -> None:
        raise StateConflict("somebody changed a correction meanwhile")


def test_a_retry_that_ends_half_way_is_finished_by_the_next(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.convert()
    one = the(acme, engagement)
    options = {"ignore_missing_memo": True}
    real = acme.own.retrying_quarantined()["corrections"]

    with pytest.raises(StateConflict):
        retry(acme, one.item_id, options=options, corrections=Dying(real, "change"))
    acme.convert()
    assert codes(acme, engagement) == {"notes.dbf": "missing_memo"}
    retry(acme, one.item_id, options=options)
    acme.convert()

    assert codes(acme, engagement) == {}
    assert len(acme.rows(f"{engagement}__notes")) == 2


def test_a_run_that_dies_over_it_leaves_it_to_the_next(
    acme: WorkspaceGroup, engagement: str
) -> None:
    acme.drop(f"{engagement}/notes.dbf", MEMO)
    acme.convert()
    one = the(acme, engagement)
    retry(acme, one.item_id, options={"ignore_missing_memo": True})
    fault = Fault("fail_times", path="/api/2.0/sql/statements*", times=100, status=400)
    number = acme.groups.room.server.faults.add(fault)
    with pytest.raises(RemoteFault):
        acme.convert()
    acme.groups.room.server.faults.remove(number)

    acme.convert()

    assert codes(acme, engagement) == {}
    assert len(acme.rows(f"{engagement}__notes")) == 2


@pytest.mark.parametrize(
    ("items", "more", "error"),
    [
        ((), {}, (InvalidSettings, "nothing was named")),
        (("x",), {"everything": True}, (InvalidSettings, "or too much")),
        (("nowhere/a.csv",), {}, (UnknownEvidence, "no file or item")),
        (("\0",), {}, (UnknownEvidence, "no file or item")),
        (("{path}",), {"options": {"delimiter": ";"}}, (InvalidOptions, "means nothing")),
        (("{path}",), {"options": {"force": True}}, (InvalidOptions, "--force")),
        (("{path}",), {"options": {"nonsense": 1}}, (InvalidOptions, "no option nonsense")),
        (("{path}",), {"options": {"encoding": 7}}, (InvalidOptions, "takes a word")),
    ],
)
def test_what_cannot_be_tried_is_refused_and_nothing_changes(
    acme: WorkspaceGroup,
    kept: HeldBack,
    items: tuple[str, ...],
    more: dict[str, Any],
    error: tuple[type[Exception], str],
) -> None:
    before = held(acme)
    with pytest.raises(error[0], match=error[1]):
        retry(acme, *(item.format(path=kept.path) for item in items), **more)
    assert held(acme) == before


@pytest.fixture(scope="module")
def kept(acme: WorkspaceGroup) -> HeldBack:
    acme.drop("kept/lines.jsonl", LINES)
    acme.convert()
    return the(acme, "kept")


@pytest.mark.parametrize("reason", ["", " \t", "x" * 1001])
def test_an_acceptance_has_a_reason(acme: WorkspaceGroup, kept: HeldBack, reason: str) -> None:
    with pytest.raises(InvalidSettings, match="a reason has"):
        accept(acme, kept.path, reason=reason)


def test_a_viewer_decides_nothing(acme: WorkspaceGroup, kept: HeldBack) -> None:
    viewer = replace(acme.caller, user_role=Role.VIEWER)
    with pytest.raises(RoleRefused):
        retry(acme, kept.path, caller=viewer)
    assert list_quarantine(acme.id, caller=viewer, **acme.own.listing_quarantine()).total


def test_another_groups_quarantine_is_not_there(
    acme: WorkspaceGroup, globex: WorkspaceGroup, kept: HeldBack
) -> None:
    theirs = globex.item_at("e1/theirs.jsonl")
    attempts: list[Callable[[str], object]] = [
        lambda item: show(acme, item),
        lambda item: retry(acme, item),
        lambda item: accept(acme, item),
    ]
    for attempt in attempts:
        for item in (theirs.item_id, "e1/theirs.jsonl"):
            with pytest.raises(UnknownEvidence):
                attempt(item)
    assert "e1/theirs.jsonl" not in {one.path for one in held(acme).entries}
    with pytest.raises(GroupRefused):
        retry(acme, kept.path, caller=globex.caller)

    retry(acme, everything=True)
    assert codes(globex, "e1") == {"theirs.jsonl": "corrupt"}
    acme.convert()
