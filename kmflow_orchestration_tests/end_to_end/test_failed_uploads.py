"""A file that the workspace does not take: its neighbours are in, everybody is told, the next tick
heals it (design AD5)."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
import pytest

from kmflow_orchestration.assets.evidence import ALL_ENTERED
from kmflow_orchestration.metadata.intake_records import IntakeSummary
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.end_to_end.world import today_key

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end_to_end_failed_uploads")]

ACME = GroupId("acme")
FILES = {f"e1/{name}.md": f"# {name}\n".encode() for name in ("a", "bad", "c")}


@dataclass(frozen=True)
class Told:
    """What was said after a tick and its run."""

    succeeded: bool
    summary: IntakeSummary
    names: list[str]
    counts: dict[str, int]
    check: dg.AssetCheckEvaluation


def ticked(world) -> Told:
    (outcome,) = world.daemon.tick("evidence_arrival")
    metadata = world.materializations(keys.EVIDENCE_FILES)[today_key("acme")].metadata
    return Told(
        outcome.succeeded,
        world.context.ledger.summary(ACME),
        sorted(item.file_name for item in world.context.register.items(ACME, limit=10)),
        {name: metadata[f"files_{name}"].value for name in ("stored", "failed")},
        world.checks(keys.EVIDENCE_FILES)[ALL_ENTERED.name],
    )


@pytest.fixture(scope="module")
def refused(workspace_world) -> Told:
    """The first tick and its run, during which every PUT of one file fails."""
    faults = workspace_world.sandbox.workspace.faults
    # The platform's own error, which no attempt of ours would get past.
    put = Fault("fail_times", "PUT", "*_bad.md", times=99, status=500, error_code="INTERNAL_ERROR")
    faults.add(put)
    workspace_world.drop("acme", FILES)
    told = ticked(workspace_world)
    faults.clear()
    return told


def test_the_ledger_says_which_file_failed_and_why_and_its_neighbours_are_in(refused):
    assert refused.succeeded
    (failed,) = refused.summary.failed
    assert (failed.path, failed.code, failed.attempts) == ("e1/bad.md", "KM-REMOTE-002", 1)
    assert "Injected fault" in failed.message
    assert failed.retry_at is not None
    assert (refused.summary.stored, refused.names) == (2, ["a.md", "c.md"])


def test_the_run_says_so(refused):
    check = refused.check

    assert refused.counts == {"stored": 2, "failed": 1}
    assert (check.passed, check.severity.name) == (False, "WARN")
    assert check.metadata["to_be_tried_again"].value == ["e1/bad.md: KM-REMOTE-002"]


def test_the_next_tick_stores_it_and_sends_nothing_else(workspace_world, refused):
    puts = workspace_world.sandbox.workspace.requests("PUT", "*.md")
    before = puts.count()

    healed = ticked(workspace_world)

    assert healed.succeeded
    assert (healed.summary.failed, healed.summary.stored) == ((), 3)
    sent = workspace_world.sandbox.workspace.requests("PUT", "*.md").count() - before
    assert (sent, healed.counts) == (1, {"stored": 1, "failed": 0})
    assert healed.check.passed
    rows = workspace_world.query("acme", "SELECT file_name FROM {base}.evidence_metadata")
    assert sorted(row["file_name"] for row in rows) == ["a.md", "bad.md", "c.md"]
    assert workspace_world.daemon.tick("evidence_arrival") == []
