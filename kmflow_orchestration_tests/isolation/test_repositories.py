"""Every method of every repository, as acme with globex's ids: the answer is that of unknown ids.

Repositories and methods are found, not listed, and called by the names of their parameters: one
written tomorrow is tried from its first day, or fails here until `at_hand` knows what to try.
`test_ids_and_runs` does the same, method by method, for those that hold the most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.moved_evidence import Move
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.correction_records import Change, Scope
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_batches import OpenBatch
from kmflow_orchestration.metadata.intake_records import Changes, Scores, State, Step
from kmflow_orchestration.metadata.landing_history import LandingEvent
from kmflow_orchestration.metadata.profile_records import Operation, StateChange
from kmflow_orchestration.metadata.quarantine_records import Acceptance, Held, HeldBack
from kmflow_orchestration.metadata.run_status import Actor, RunStatus
from kmflow_orchestration.metadata.stage_metrics import StageMetric
from kmflow_orchestration_tests.isolation.shared_world import (
    ACME,
    GLOBEX,
    SECRET_TEXT,
    SharedWorld,
    Things,
    called,
    fault,
)
from kmflow_orchestration_tests.isolation.test_ids_and_runs import REPOSITORIES as TRIED_THERE
from kmflow_orchestration_tests.metadata.test_every_repository_requires_the_group import (
    FUNCTIONS,
    METHODS,
    WITHOUT_GROUP,
    built,
    is_bound_to_a_group,
    repositories,
)
from kmflow_orchestration_tests.runs.profile_world import DONE

OWNERS = {
    owner.__name__: owner
    for owner in repositories()
    if owner not in TRIED_THERE and not is_bound_to_a_group(owner)
}
TRIED = sorted(name for name in METHODS if name.partition(".")[0] in OWNERS)
OPENED = {
    "ClaimedBatch": "made by Ledger.claimed_batch for one group, after its claim was taken",
    "ledger_store.changing": "opens the repositories that are tried here",
}
FUNCTIONS_TRIED = sorted(FUNCTIONS.keys() - WITHOUT_GROUP.keys() - OPENED.keys())
# The new row's id is made by us and nobody asks for one: a taken one is a fault of the database.
NEW_IDS = {"EvidenceItems.add", "IntakeBatches.add"}
# Two groups would share a place: settings that say so are refused, and say with whom.
SHARED_PLACE = {"GroupConfigs.save"}


def at_hand(world: SharedWorld, things: Things) -> dict[str, Any]:
    now, item = world.clock.now(), things.item
    batch = OpenBatch(item.batch_id, 7, 1, 0, None, None)
    scores = {item.item_id: Scores(1.0, 1.0, 1.0, 1.0, 1.0)}
    outcome = {"path": things.landing_path, "state": State.FAILED, "code": "x", "message": "x"}
    outcome |= {"attempts": 9, "retry_at": now, "size_bytes": None}
    return {
        "group": ACME,
        "now": now,
        "at": now,
        "stored_at": now,
        "created_at": now,
        "lease_until": now,
        "converted_before": now,
        "clock": world.clock,
        "day": world.day,
        "author": "ann",
        "actor": "ann",
        "by": Actor.CALLBACK,
        "deed": Deed(action=AuditAction.UPLOAD, actor_email="ann"),
        "error": fault(),
        "details": {},
        "parts": replace(things.token, group=ACME),
        "token_id": things.token.token_id,
        "name": "mine",
        "role": Role.ADMIN,
        "expires_at": None,
        "engagement": things.engagement,
        "engagements": [things.engagement],
        "weights_json": "{}",
        "category": "document",
        "status": "requested",
        "item": item,
        "items": [item],
        "limit": 9,
        "LandingFiles.settle.items": {things.landing_path: (item.item_id, item.content_hash)},
        "EvidenceItems.move.moves": [(item, "databricks", "/Volumes/mine")],
        "moves": [Move(item, "databricks", "/Volumes/mine")],
        "item_id": item.item_id,
        "item_ids": [item.item_id],
        "backend": item.backend,
        "original": (item.backend, item.stored_path),
        "MirrorFiles.deliver.paths": {item.item_id: item.stored_path},
        "problem": "x",
        "hashes": [item.content_hash],
        "batch": batch,
        "batch_id": item.batch_id,
        "batch_ids": [item.batch_id],
        "number": 7,
        "holder": this_process(),
        "steps": list(Step),
        "tables": [things.table.name],
        "stage": Step.BRONZE,
        "step": Step.DATASETS,
        "metric": StageMetric(
            batch_id=item.batch_id,
            stage=Step.BRONZE,
            day=world.day,
            started_at=now,
            duration_ms=1,
            input_count=1,
            output_count=1,
            error_count=0,
            error_type="",
        ),
        "marks": {item.item_id: ("v", True)},
        "scores": scores,
        "counts": {item.item_id: 7},
        "code": "x",
        "message": "x",
        "changes": Changes(ripe=(things.landing_path,), gone=(things.landing_path,)),
        "max_files": 9,
        "names": [str(things.engagement)],
        "folders": [str(things.engagement)],
        "LandingFiles.save_folders.folders": {str(things.engagement): None},
        "paths": [things.landing_path],
        "outcomes": [outcome],
        "path": things.output.path,
        "content_hash": item.content_hash,
        "events": [
            LandingEvent(path=things.landing_path, decision="seen", at=now, item_id=item.item_id)
        ],
        **dict.fromkeys(
            ("LandingFiles.line.path", "LandingHistory.of_path.path", "FileHistory.of_path.path"),
            things.landing_path,
        ),
        "FileHistory.decision_on.path": things.landing_path,
        "file": things.output,
        "failure": things.failure,
        "failure_id": things.failure.failure_id,
        "ids": [things.failure.failure_id],
        "task_key": things.output.task_key,
        "dagster_run_id": things.output.dagster_run_id,
        "values": parse_group(
            ACME,
            {
                "catalog": things.config.catalog,
                "schema": things.config.schema,
                "landing_path": things.config.landing_path,
            },
        ),
        "profile_run_id": things.run.profile_run_id,
        "run": things.run,
        "seen": 0,
        "CorrectionStore.change.changes": [_correction(things, None)],
        "DatasetCorrections.put.change": _correction(things, "cp1252"),
        "held": [_held(things)],
        "accepted": [_held(things)],
        "chosen": [_held(things)],
        "acceptance": Acceptance("fine", "ann", now),
        "reason": "fine",
        "change": StateChange(status=RunStatus.FAILED, reason="x"),
        "completion": DONE,
        "operation": Operation("x", 1, 1, "success", now),
    }


def _correction(things: Things, value: str | None) -> Change:
    return Change(str(things.engagement), Scope.ITEM, things.item.item_id, "encoding", value)


def _held(things: Things) -> HeldBack:
    item = things.item
    return HeldBack(
        kind=Held.ITEM,
        path=things.landing_path,
        code="corrupt",
        message="x",
        engagement_id=str(things.engagement),
        size_bytes=item.size_bytes,
        received_on=item.received_on,
        since=item.stored_at,
        version=item.version,
        item_id=item.item_id,
    )


def asked(world: SharedWorld, name: str, things: Things) -> str:
    """An attempt; what is the caller's to commit is looked at and never committed."""
    sessions = world.context._sessions
    known = {**at_hand(world, things), "sessions": sessions}
    with sessions() as session:
        call: Callable[..., Any] = FUNCTIONS.get(name) or _method(name, sessions, session)
        answer = called(name, call, {**known, "session": session})
        if session.in_transaction() and not answer.startswith("IntegrityError"):
            assert world.of_globex(session.connection()) == world.had
        session.rollback()
    assert world.of_globex() == world.had
    return world.told(answer)


def _method(name: str, sessions: SessionFactory, session: Session) -> Callable[..., Any]:
    owner, method = name.split(".")
    found: Callable[..., Any] = getattr(built(OWNERS[owner], sessions, session), method)
    return found


@pytest.mark.parametrize("name", [*TRIED, *FUNCTIONS_TRIED])
def test_a_neighbours_id_is_an_unknown_id(world: SharedWorld, name: str) -> None:
    theirs = asked(world, name, world.theirs)
    assert SECRET_TEXT not in theirs
    assert "bob" not in theirs
    if name in NEW_IDS:
        assert theirs.startswith("IntegrityError")
    elif name in SHARED_PLACE:
        assert "has the same landing folder" in theirs
    else:
        assert theirs == asked(world, name, world.nobodys)
    if name == "GroupConfigs.disable":
        world.save(ACME)


def test_what_is_not_tried_still_exists() -> None:
    bound = {owner.__name__ for owner in repositories() if is_bound_to_a_group(owner)}
    assert {*OPENED} <= bound | FUNCTIONS.keys()
    assert set(TRIED_THERE) <= set(repositories())
    assert {*TRIED} >= NEW_IDS | SHARED_PLACE


def test_the_owner_is_told_more(world: SharedWorld) -> None:
    """The attempts are about things that are there."""
    theirs, context = world.theirs, world.context
    assert context.output_files.find(GLOBEX, theirs.output.path)
    assert context.upload_failures.open(GLOBEX, [theirs.failure.failure_id])
    assert context.api_tokens.all(GLOBEX)
    assert context.config_audit.entries(GLOBEX)
    assert context.ledger.find_items(GLOBEX, [theirs.item.item_id])
    assert len(world.of_globex()["files"]) > 10  # type: ignore[arg-type]
