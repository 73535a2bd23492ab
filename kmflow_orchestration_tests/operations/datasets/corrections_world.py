"""Corrections of one engagement's datasets, made, taken back and replayed."""

from __future__ import annotations

from functools import partial
from typing import Any

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.metadata.correction_records import Change, Scope
from kmflow_orchestration.operations.correct_datasets import (
    Corrected,
    correct_datasets,
    withdraw_corrections,
)
from kmflow_orchestration.operations.correction_requests import CorrectionRequest
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.published_datasets import PublishedDatasets
from kmflow_orchestration.operations.replay_datasets import replay_datasets
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld

ANN = caller_of("ann@kmflow.test", ("acme",), Role.EDITOR)


def correct(world: DatasetWorld, *, dry_run: bool = False, **request: Any) -> Corrected:
    """Ask as the command does; a target without its engagement in front."""
    return correct_datasets(
        "acme",
        CorrectionRequest(engagement=world.engagement, **request),
        caller=ANN,
        corrections=world.corrections,
        registry=world.registry,
        ledger=world.place.ledger,
        stores=EvidenceStores.only(world.place.store),
        clock=world.place.clock,
        workers=0,
        work_dir=world.place.home / "trial",
        dry_run=dry_run,
    )


def withdraw(world: DatasetWorld, *numbers: int) -> Corrected:
    return withdraw_corrections(
        "acme",
        numbers,
        caller=ANN,
        corrections=world.corrections,
        registry=world.registry,
        clock=world.place.clock,
    )


def remember(world: DatasetWorld, scope: Scope, target: str, **said: Any) -> None:
    """As if it had been said before any file came; tables in `target` without engagement."""
    name = f"{world.engagement}__{target}" if scope in {Scope.TABLE, Scope.COLUMN} else target
    changes = [Change(world.engagement, scope, name, key, value) for key, value in said.items()]
    world.corrections.change(world.place.group, changes, actor="ann@kmflow.test")


def replay(world: DatasetWorld, **changes: Any) -> list[PublishedDatasets]:
    """What `kmflow dataset replay` does."""
    arguments: dict[str, Any] = {
        "ledger": world.place.ledger,
        "stores": EvidenceStores.only(world.place.store),
        "lakehouse": world.lakehouse,
        "registry": world.registry,
        "corrections": world.corrections,
        "config": world.config,
        "workers": 0,
        "work_dir": world.place.home / "work",
        "on_written": world.hear,
    }
    return replay_datasets(
        "acme",
        caller=ANN,
        corrections=world.corrections,
        publish=partial(publish_datasets, world.place.group, **{**arguments, **changes}),
    )


def content(world: DatasetWorld) -> dict[str, tuple[dict[str, str], list[str]]]:
    """Types and rows of every table that has any, without what names a run or the engagement."""
    found = {}
    for dataset in world.tables:
        table = world.lakehouse.query(f"SELECT * FROM {world.table(dataset).sql}")
        if table.num_rows:
            kept = [name for name in sorted(table.column_names) if name not in _OF_A_RUN]
            columns = [table.column(name).to_pylist() for name in kept]
            rows = sorted(map(repr, zip(*columns, strict=True)))
            found[dataset] = (world.types(dataset), rows)
    return found


_OF_A_RUN = {"_batch_id", "_evidence_id", "engagement_id"}
