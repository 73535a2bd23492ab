"""An id of globex in acme's hands is an unknown id: the same answer, and nothing changes.

The methods are found, not listed: one written tomorrow without an attempt turns this red.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.errors import KmflowError, RunOutstanding
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item, Ledger, Scores, Step
from kmflow_orchestration.intake.mirrors import Mirrors
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift, DriftLog
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables
from kmflow_orchestration.metadata.ledger_store import changing
from kmflow_orchestration.metadata.profile_completions import ProfileFindings
from kmflow_orchestration.metadata.profile_records import ProfileRun, StateChange
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import EngagementId, GroupId, TableGroupId
from kmflow_orchestration.runs.callbacks import apply_completion
from kmflow_orchestration.runs.run_state import Actor, RunStatus
from kmflow_orchestration_tests.control_databases import ControlDatabases, NewDatabase
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, E1, GLOBEX, ProfileWorld

THEIRS = TableGroupId("theirs")
NOW = FakeClock().now()
REPOSITORIES = (
    *(Ledger, EvidenceRegister, Mirrors),
    *(ProfileRuns, TableGroups, ProfileFindings, DatasetTables, DriftLog),
)
ABOUT_THE_GROUP = {
    "Ledger": "observe folders engagements due_days unwritten_days late_days run_requested "
    "claimed_batch batches stored_batches request_evidence scoring_counts quarantined summary "
    "look_again set_quality_weights fingerprints",
    "EvidenceRegister": "items page backends stored_in without_metadata",
    "Mirrors": "owed uses of_gone",
    "ProfileRuns": "insert_queued look_at_once due finished_unmaterialized",
    "TableGroups": "save ensure_default all stale due_by_cron free_job_creations",
    "ProfileFindings": "",
    "DatasetTables": "table_name record tables names",
    "DriftLog": "record",
}


@dataclass(frozen=True)
class Ids:
    """Of globex, or of nobody."""

    item: str
    batch: str
    run: ProfileRun
    table_group: TableGroupId
    table: str

    def names(self) -> tuple[str, ...]:
        return (self.item, self.batch, self.run.profile_run_id, self.table_group, self.table)


@dataclass
class Shared:
    """One control database with both groups' rows."""

    acme: LandingPlace
    globex: LandingPlace
    profiles: ProfileWorld
    datasets: DatasetTables
    register: EvidenceRegister
    theirs: Ids
    nobodys: Ids

    def rows(self, group: str | None = None) -> dict[str, list[str]]:
        """Every row of every table, or those of one group; a count of attempts is no row."""
        with self.profiles.engine.connect() as connection:
            return {
                table.name: sorted(
                    repr(tuple(row))
                    for row in connection.execute(sa.select(table))
                    if group in {None, row._mapping.get("group_id")}
                )
                for table in Base.metadata.sorted_tables
                if table.name != "intake_groups"
            }


@contextmanager
def opened(home: Path, database_url: str) -> Iterator[Shared]:
    clock = FakeClock()
    places = {group: LandingPlace(home, clock, group, database_url) for group in (ACME, GLOBEX)}
    for group, place in places.items():
        place.drop("e1/loans.csv", f"id\nof {group}\n")
        place.take_in()
    profiles = ProfileWorld(database_url, clock)
    profiles.add_table_group(GLOBEX, "e1")
    profiles.add_table_group(GLOBEX, "theirs")
    item, run = places[GLOBEX].item("loans.csv"), profiles.queue(7, GLOBEX, table_group_id=THEIRS)
    datasets = DatasetTables(profiles.runs.sessions)
    datasets.record(GLOBEX, [part_of(item)])
    datasets.drift.record(GLOBEX, [drift_of(item.item_id, item.batch_id)])
    register = EvidenceRegister(profiles.runs.sessions, clock)
    with changing(profiles.runs.sessions, GLOBEX) as tables:
        tables.mirrors.owe(GLOBEX, "delta", [item.item_id], clock.now())
    theirs = Ids(item.item_id, item.batch_id, run, THEIRS, "theirs__loans")
    strange = str(uuid.uuid4())
    stranger = replace(run, profile_run_id=str(uuid.uuid4()))
    nobodys = Ids(strange, strange, stranger, TableGroupId(strange), strange)
    yield Shared(places[ACME], places[GLOBEX], profiles, datasets, register, theirs, nobodys)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[Shared]:
    """For attempts that change nothing."""
    home = tmp_path_factory.mktemp("ids")
    with opened(home, control_databases.new(home / "control.db")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path, control_database: NewDatabase) -> Iterator[Shared]:
    with opened(tmp_path, control_database(tmp_path / "control.db")) as made:
        yield made


def drift_of(item_id: str, batch_id: str) -> DatasetDrift:
    return DatasetDrift(
        table_name="theirs__loans",
        engagement_id="theirs",
        item_id=item_id,
        file_name="loans.csv",
        batch_id=batch_id,
        at=NOW,
        kind="added",
        column_name="note",
        new_type="STRING",
    )


def part_of(item: Item) -> DatasetPart:
    return DatasetPart(
        group_id=item.group_id,
        item_id=item.item_id,
        part="",
        engagement_id="theirs",
        table_name="theirs__loans",
        batch_id=item.batch_id,
        received_on=date(2026, 11, 20),
        file_name=item.file_name,
        media_type=item.media_type,
        content_hash=item.content_hash,
        columns=(),
        row_count=1,
    )


def ended(s: Shared, i: Ids) -> object:
    change = StateChange(status=RunStatus.FAILED, reason="x")
    return s.profiles.runs.change(ACME, i.run, change, by=Actor.ORCHESTRATOR, at=NOW)


def completed(s: Shared, i: Ids) -> object:
    return s.profiles.runs.complete(
        ACME, i.run, DONE, ends=True, by=Actor.CALLBACK, clock=FakeClock()
    )


def called_back(s: Shared, i: Ids) -> object:
    run = i.run.profile_run_id
    return apply_completion(
        ACME, run, DONE, runs=s.profiles.runs, by=Actor.CALLBACK, clock=FakeClock()
    )


def submitted(s: Shared, i: Ids) -> object:
    return s.profiles.runs.submitted(
        ACME,
        i.run.profile_run_id,
        databricks_run_id="1",
        run_page_url="",
        at=NOW,
        next_poll_at=NOW,
    )


def table_changed(s: Shared, i: Ids) -> object:
    return s.profiles.table_groups.table_changed(
        ACME, i.table_group, schema_name="x", table_name="x", batch_id=i.batch, at=NOW
    )


SCORES = Scores(1.0, 1.0, 1.0, 1.0, 1.0)
LEDGER: dict[str, Callable[[Ledger, Ids], Any]] = {
    "items": lambda ledger, i: ledger.items(ACME, i.batch),
    "count_items": lambda ledger, i: ledger.count_items(ACME, [i.batch]),
    "item_states": lambda ledger, i: ledger.item_states(ACME, i.batch),
    "find_items": lambda ledger, i: ledger.find_items(ACME, [i.item]),
    "finish_step": lambda ledger, i: ledger.finish_step(ACME, i.batch, Step.BRONZE),
    "mark_converted": lambda ledger, i: ledger.mark_converted(ACME, i.item, "v1"),
    "mark_all_converted": lambda ledger, i: ledger.mark_all_converted(ACME, {i.item: ("v", True)}),
    "count_fragments": lambda ledger, i: ledger.count_fragments(
        ACME, i.batch, {i.item: 7}, [i.item]
    ),
    "quarantine_item": lambda ledger, i: ledger.quarantine_item(ACME, i.item, "x", "x"),
    "publish": lambda ledger, i: ledger.publish(ACME, i.batch, {i.item: SCORES}),
}
REGISTER: dict[str, Callable[[EvidenceRegister, Ids, Item], Any]] = {
    "find": lambda register, i, _: register.find(ACME, i.item),
    "planned_deletion": lambda register, i, _: register.planned_deletion(ACME, i.item),
    "begin_deletion": lambda register, i, _: register.begin_deletion(ACME, i.item, actor="ann"),
    "finish_deletion": lambda register, i, _: register.finish_deletion(ACME, [i.item]),
    "holds_bytes": lambda register, i, mine: register.holds_bytes(
        ACME, replace(mine, item_id=i.item)
    ),
}
MIRRORS: dict[str, Callable[[Mirrors, Ids, Item], Any]] = {
    "delivered": lambda mirrors, i, _: mirrors.delivered(ACME, "delta", {i.item: "x"}),
    "failed": lambda mirrors, i, _: mirrors.failed(ACME, "delta", [i.item], "x"),
    "forget": lambda mirrors, i, _: mirrors.forget(ACME, "delta", [i.item]),
    "copy_of": lambda mirrors, i, mine: mirrors.copy_of(
        ACME, "delta", (mine.backend, f"{i.item}.csv")
    ),
    "with_copies": lambda mirrors, i, mine: mirrors.with_copies(
        ACME, replace(mine, item_id=i.item, stored_path=f"{i.item}.csv")
    ),
}
RUNS: dict[str, Callable[[ProfileRuns, str], Any]] = {
    "find": lambda runs, run: runs.find(ACME, run),
    "get": lambda runs, run: runs.get(ACME, run),
    "events": lambda runs, run: runs.events(ACME, run),
    "note": lambda runs, run: runs.note(ACME, run, unknown_polls=3),
    "materialized": lambda runs, run: runs.materialized(ACME, run, at=NOW),
    "polled": lambda runs, run: runs.polled(ACME, run, at=NOW, next_poll_at=NOW),
    "cancel_requested": lambda runs, run: runs.cancel_requested(ACME, run, at=NOW),
}
OF_TABLE_GROUP: dict[str, Callable[[ProfileRuns, TableGroupId], Any]] = {
    "outstanding": lambda runs, of: runs.outstanding(ACME, of),
    "latest_completed": lambda runs, of: runs.latest_completed(ACME, of),
    "latest": lambda runs, of: runs.latest(ACME, table_group=of),
}
TABLE_GROUPS: dict[str, Callable[[TableGroups, TableGroupId], Any]] = {
    "find": lambda groups, one: groups.find(ACME, one),
    "get": lambda groups, one: groups.get(ACME, one),
    "tables": lambda groups, one: groups.tables(ACME, one),
    "ticked": lambda groups, one: groups.ticked(ACME, one, NOW),
    "claim_job_creation": lambda groups, one: groups.claim_job_creation(
        ACME, one, now=NOW, lease=timedelta(0)
    ),
    "record_job": lambda groups, one: groups.record_job(
        ACME, one, job_id="1", settings_hash="1", now=NOW
    ),
}
FINDINGS: dict[str, Callable[[ProfileFindings, str], Any]] = {
    "anomalies": lambda findings, run: findings.anomalies(ACME, run),
    "scores": lambda findings, run: findings.scores(ACME, run),
    "operations": lambda findings, run: findings.operations(ACME, run),
    "replace": lambda findings, run: findings.replace(ACME, run, DONE),
}
DATASETS: dict[str, Callable[[DatasetTables, Ids], Any]] = {
    "of_items": lambda datasets, i: datasets.of_items(ACME, [i.item]),
    "of_table": lambda datasets, i: datasets.of_table(ACME, i.table),
    "keys_of": lambda datasets, i: datasets.keys_of(ACME, [i.table]),
    "deleted_items": lambda datasets, i: datasets.deleted_items(ACME, i.table),
    "remove": lambda datasets, i: datasets.remove(ACME, [(i.item, "")]),
}
DRIFT: dict[str, Callable[[DriftLog, Ids], Any]] = {
    "of_batches": lambda drift, i: drift.of_batches(ACME, [i.batch]),
    "newest": lambda drift, i: drift.newest(ACME, table_name=i.table),
}
Attempt = Callable[[Shared, Ids], Any]
ATTEMPTS: dict[str, Attempt] = {
    **{f"Ledger.{n}": lambda s, i, do=do: do(s.acme.ledger, i) for n, do in LEDGER.items()},
    **{
        f"EvidenceRegister.{n}": lambda s, i, do=do: do(s.register, i, s.acme.item("loans.csv"))
        for n, do in REGISTER.items()
    },
    **{
        f"Mirrors.{n}": lambda s, i, do=do: do(s.register.mirrors, i, s.acme.item("loans.csv"))
        for n, do in MIRRORS.items()
    },
    **{
        f"ProfileRuns.{n}": lambda s, i, do=do: do(s.profiles.runs, i.run.profile_run_id)
        for n, do in RUNS.items()
    },
    **{
        f"ProfileRuns.{n}": lambda s, i, do=do: do(s.profiles.runs, i.table_group)
        for n, do in OF_TABLE_GROUP.items()
    },
    **{
        f"TableGroups.{n}": lambda s, i, do=do: do(s.profiles.table_groups, i.table_group)
        for n, do in TABLE_GROUPS.items()
    },
    **{
        f"ProfileFindings.{n}": lambda s, i, do=do: do(s.profiles.findings, i.run.profile_run_id)
        for n, do in FINDINGS.items()
    },
    **{f"DatasetTables.{n}": lambda s, i, do=do: do(s.datasets, i) for n, do in DATASETS.items()},
    **{f"DriftLog.{n}": lambda s, i, do=do: do(s.datasets.drift, i) for n, do in DRIFT.items()},
    "ProfileRuns.change": ended,
    "ProfileRuns.complete": completed,
    "ProfileRuns.submitted": submitted,
    "TableGroups.table_changed": table_changed,
    "apply_completion": called_back,
}


def test_every_method_about_an_id_is_tried() -> None:
    there_are = {
        f"{owner.__name__}.{name}"
        for owner in REPOSITORIES
        for name, _ in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_") and name not in ABOUT_THE_GROUP[owner.__name__].split()
    }
    assert ATTEMPTS.keys() - {"apply_completion"} == there_are


def answer(attempt: Attempt, shared: Shared, ids: Ids) -> str:
    """What came of it, as text without the ids that were asked for."""
    try:
        text = repr(attempt(shared, ids))
    except (KmflowError, IntegrityError) as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    for name in ids.names():
        text = text.replace(name, "<id>")
    return text


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_a_neighbours_id_is_an_unknown_id(shared: Shared, attempt: Attempt) -> None:
    before = shared.rows()

    assert answer(attempt, shared, shared.theirs) == answer(attempt, shared, shared.nobodys)
    assert shared.rows() == before


def test_the_owner_finds_what_the_neighbour_does_not(shared: Shared) -> None:
    ids = shared.theirs
    ledger, profiles = shared.globex.ledger, shared.profiles

    assert ledger.find_items(GLOBEX, [ids.item])
    assert ledger.items(GLOBEX, ids.batch)
    assert profiles.runs.find(GLOBEX, ids.run.profile_run_id)
    assert profiles.runs.outstanding(GLOBEX, ids.table_group)
    assert shared.datasets.of_items(GLOBEX, [ids.item])


def test_the_same_names_are_separate_rows(shared: Shared) -> None:
    mine, theirs = (place.item("loans.csv") for place in (shared.acme, shared.globex))

    assert (mine.landing_path, mine.engagement_id) == (theirs.landing_path, theirs.engagement_id)
    assert mine.item_id != theirs.item_id
    assert mine.batch_id != theirs.batch_id
    assert shared.acme.store.read(mine.stored_path) == b"id\nof acme\n"
    assert shared.globex.store.read(theirs.stored_path) == b"id\nof globex\n"
    for group in (ACME, GLOBEX):
        assert [one.engagement_id for one in shared.acme.ledger.engagements(group)] == ["e1"]
        assert shared.profiles.table_groups.get(group, E1).group_id == group


def test_the_same_content_is_no_duplicate_of_a_neighbours(fresh: Shared) -> None:
    fresh.acme.drop("e1/same.csv", "id\nof globex\n")
    fresh.acme.take_in()

    assert fresh.acme.item("same.csv").duplicate_of_id is None


def test_what_acme_makes_anew_with_the_neighbours_names_is_its_own(fresh: Shared) -> None:
    before = fresh.rows("globex")
    mine = fresh.profiles.add_table_group(ACME, "theirs")
    fresh.datasets.record(ACME, [part_of(fresh.globex.item("loans.csv"))])
    fresh.datasets.table_name(ACME, EngagementId("theirs"), "loans", ("theirs__loans",))
    fresh.profiles.table_groups.save(ACME, replace(mine, is_active=False, group_id=GLOBEX))
    fresh.profiles.runs.look_at_once(ACME, at=NOW)
    fresh.profiles.table_groups.free_job_creations(ACME)
    fresh.acme.ledger.run_requested(ACME, fresh.acme.today)
    assert fresh.acme.ledger.set_quality_weights(ACME, EngagementId("e1"), "{}")

    assert fresh.rows("globex") == before
    fresh.profiles.queue(8, GroupId("acme"), table_group_id=THEIRS)
    with pytest.raises(RunOutstanding):
        fresh.profiles.queue(9, GroupId("acme"), table_group_id=THEIRS)
