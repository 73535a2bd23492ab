"""Killed at any moment and run again, a batch ends like an undisturbed one (row G13)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from kmflow_orchestration.errors import LeaseHeld, StateConflict
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.ledger import Holder, State
from kmflow_orchestration_tests.control_databases import ControlDatabases, engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.processes import begun, ended, in_child

pytestmark = pytest.mark.journey
TABLES = {
    "landing_files": "path, state, code, batch_id, item_id, content_hash, received_on",
    "evidence_items": "id, state, file_path, batch_id, duplicate_of_id, supersedes_id, stored_at",
    "intake_batches": "batch_id, number, stored_at, bronze_at",
    "intake_batch_replacements": "batch_id, item_id",
}


@pytest.fixture
def eventful(acme: LandingPlace) -> LandingPlace:
    """A landing place before a batch that does everything a batch can do."""
    acme.drop("e1/changes.csv", "first")
    acme.drop("e1/copy.csv", "first")
    acme.drop("e1/returns.csv", "one")
    acme.take_in()
    acme.clock.advance(60)
    acme.drop("e1/returns.csv", "two")
    acme.take_in()
    acme.clock.advance(60)
    acme.drop("e1/changes.csv", "second")
    acme.drop("e1/returns.csv", "one")
    acme.drop("e1/new.csv", "new")
    acme.drop("e1/new copy.csv", "new")
    acme.drop("e2/new.csv", "new")
    acme.drop("e2/empty.csv", "")
    acme.look()
    return acme


def all_there_is(place: LandingPlace) -> dict[str, Any]:
    """Ledger and store, without who held what when."""
    with engine_of(place.database_url).connect() as connection:
        found: dict[str, Any] = {
            table: sorted(map(repr, connection.execute(text(f"SELECT {columns} FROM {table}"))))
            for table, columns in TABLES.items()
        }
    # Half a file of a killed write stays under a hidden name, where nobody finds it.
    stored = [path for path in place.store._root.rglob("[!.]*") if path.is_file()]
    found["store"] = sorted((path.name, path.read_bytes()) for path in stored)
    return found


def control_engine(place: LandingPlace) -> Engine:
    return place.ledger._sessions.kw["bind"]


class Snapshot:
    """Puts control database and store back, so that one landing place serves many runs."""

    def __init__(self, place: LandingPlace, databases: ControlDatabases) -> None:
        self._place = place
        self._kept = place.home / "kept"
        self._restore_database = databases.keep(place.database_url)
        shutil.copytree(place.store._root, self._kept)

    def restore(self) -> None:
        self._restore_database()
        shutil.rmtree(self._place.store._root)
        shutil.copytree(self._kept, self._place.store._root)
        self._place.store.sent.clear()


def killed_in_child(work: Callable[[LandingPlace, int], None], *args: object) -> bool:
    """Run in a child process; whether it was killed."""
    ended_with = in_child(work, *args)
    assert ended_with in {0, -signal.SIGKILL}, "the child failed by itself"
    return ended_with != 0


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillAt:
    """Kills this process at the n-th call."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            kill_self()


def store_killed_at_statement(place: LandingPlace, number: int) -> None:
    event.listen(control_engine(place), "before_cursor_execute", KillAt(number))
    place.store_day()


def store_killed_at_commit(place: LandingPlace, number: int) -> None:
    event.listen(control_engine(place), "commit", KillAt(number))
    place.store_day()


def store_killed_at_progress(place: LandingPlace, number: int) -> None:
    place.store_day(on_progress=KillAt(number), workers=1)


def store_killed_at_upload(place: LandingPlace, number: int) -> None:
    place.store.before_send = KillAt(number)
    place.store_day(workers=1)


def store_unless_held(place: LandingPlace) -> None:
    with contextlib.suppress(LeaseHeld):
        place.store_day()


@pytest.mark.parametrize(
    ("killed", "step"),
    [
        (store_killed_at_statement, 3),
        (store_killed_at_commit, 1),
        (store_killed_at_progress, 1),
        (store_killed_at_upload, 1),
    ],
)
def test_killed_at_any_moment_and_run_again_ends_like_undisturbed(
    eventful: LandingPlace,
    control_databases: ControlDatabases,
    killed: Callable[[LandingPlace, int], None],
    step: int,
) -> None:
    snapshot = Snapshot(eventful, control_databases)
    eventful.store_day()
    undisturbed = all_there_is(eventful)
    sent = sorted(eventful.store.sent[-3:])

    number, kills = 1, 0
    while True:
        snapshot.restore()
        if not killed_in_child(killed, eventful, number):
            break
        eventful.store_day()
        assert all_there_is(eventful) == undisturbed, f"killed at {number}"
        kills += 1
        number += step

    assert kills >= 3
    assert sent == ["changes.csv", "new copy.csv", "new.csv"]


def test_a_run_after_a_kill_sends_only_what_is_missing(acme: LandingPlace) -> None:
    for number in range(6):
        acme.drop(f"e1/{number}.csv", str(number))
    acme.look()

    assert killed_in_child(store_killed_at_upload, acme, 4)
    stored = acme.store_day()

    assert sorted(acme.store.sent) == ["3.csv", "4.csv", "5.csv"]
    assert len(stored.stored) == 6
    assert acme.store.confirmations == 2


def test_a_new_file_waits_until_the_killed_batch_is_finished(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    assert killed_in_child(store_killed_at_upload, acme, 1)
    acme.drop("e1/b.csv", "b")
    acme.look()

    first, second = acme.store_day(), acme.store_day()

    assert [file.file_name for file in first.stored] == ["a.csv"]
    assert (first.number, second.number) == (1, 2)
    assert [file.file_name for file in second.stored] == ["b.csv"]


def test_a_file_that_changed_before_the_batch_was_resumed_waits(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.drop("e1/b.csv", "b")
    acme.look()
    assert killed_in_child(store_killed_at_upload, acme, 2)
    acme.drop("e1/a.csv", "other")
    acme.look()

    stored = acme.store_day()

    assert stored.waiting == ("e1/a.csv",)
    assert [file.file_name for file in acme.take_in().stored] == ["a.csv"]
    assert sorted(item.state for item in acme.items()) == ["stored", "stored"]


def test_two_runs_at_once_store_a_batch_once(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    refused: list[LeaseHeld] = []

    def second_run(stage: str, done: int) -> None:
        with pytest.raises(LeaseHeld) as caught:
            acme.store_day()
        refused.append(caught.value)

    acme.store_day(on_progress=second_run)

    assert refused
    assert acme.store.sent == ["a.csv"]


def test_many_processes_at_once_store_everything_once(
    eventful: LandingPlace, control_databases: ControlDatabases
) -> None:
    snapshot = Snapshot(eventful, control_databases)
    eventful.store_day()
    undisturbed = all_there_is(eventful)
    snapshot.restore()

    children = [begun(store_unless_held, eventful) for _ in range(4)]
    assert [ended(child) for child in children] == [0, 0, 0, 0]
    eventful.store_day()

    assert all_there_is(eventful) == undisturbed


ELSEWHERE = Holder("another-host", 1, 0.0, "run-1")


def hold_open(place: LandingPlace, holder: Holder) -> Any:
    """A claim of somebody who does nothing with it; it lasts as long as what is returned."""
    claim = place.ledger.claimed_batch(place.group, place.today, holder)
    claim.__enter__()
    return claim


def test_a_claim_of_another_host_holds_until_its_lease_runs_out(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    held = hold_open(acme, ELSEWHERE)
    with pytest.raises(LeaseHeld):
        acme.store_day()
    acme.clock.advance(61)
    assert len(acme.store_day().stored) == 1
    del held


def test_a_claim_whose_dagster_run_is_over_is_free_at_once(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    held = hold_open(acme, ELSEWHERE)
    with pytest.raises(LeaseHeld):
        acme.store_day(run_is_over=lambda _: False)
    assert len(acme.store_day(run_is_over=lambda run: run == "run-1").stored) == 1
    del held


def test_a_process_with_a_reused_number_is_not_the_holder(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    me = this_process()
    held = hold_open(acme, Holder(me.host, me.pid, me.started - 3600))
    assert len(acme.store_day().stored) == 1
    del held


def test_a_run_that_lost_its_claim_writes_nothing_more(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    taken_over = []

    def stand_still(stage: str, done: int) -> None:
        if stage == "stored" and not taken_over:
            taken_over.append(True)
            acme.clock.advance(61)
            acme.store_day()

    with pytest.raises(StateConflict):
        acme.store_day(on_progress=stand_still)

    assert [item.state for item in acme.items()] == [State.STORED]
    assert acme.store_day() is None


def test_a_run_that_fails_frees_its_claim(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()

    def fail(stage: str, done: int) -> None:
        raise RuntimeError("the step was cancelled")

    with pytest.raises(RuntimeError):
        acme.store_day(on_progress=fail)
    assert len(acme.store_day().stored) == 1


def test_every_run_that_began_gives_the_next_another_key(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    keys = [acme.ledger.due_days(acme.group)[0].next_batch_no]
    assert killed_in_child(store_killed_at_upload, acme, 1)
    keys.append(acme.ledger.due_days(acme.group)[0].next_batch_no)
    acme.ledger.run_requested(acme.group, acme.today)
    keys.append(acme.ledger.due_days(acme.group)[0].next_batch_no)
    assert keys == [1, 2, 3]
