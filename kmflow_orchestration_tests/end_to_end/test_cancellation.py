"""A run that is cancelled half-way is gone on with by the next one (row G13)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration_tests.end_to_end.world import today_key

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end_to_end_cancellation")]


def _interrupted_at(stage):
    def stop(reached: str, done: int) -> None:
        if reached == stage:
            raise DagsterExecutionInterruptedError

    return stop


@pytest.mark.parametrize("stage", ["read", "stored", "recorded"])
def test_an_interrupted_intake_is_finished_by_the_next_run_and_stores_nothing_twice(
    local_world, stage
):
    files = {f"{stage}/{number}.md": f"{stage} {number}".encode() for number in range(3)}
    local_world.drop("acme", files)
    today = datetime.now(UTC).date()
    local_world.seen_on(today, "acme")
    acme = local_world.group("acme")

    with pytest.raises(DagsterExecutionInterruptedError):
        store_batch(acme.id, today, on_progress=_interrupted_at(stage), **acme.storing())
    result = local_world.run(
        [keys.EVIDENCE_FILES, keys.BRONZE_EVIDENCE], partition=today_key("acme")
    )

    assert result.success
    names = [row["file_name"] for row in _bronze(local_world, stage)]
    assert names == ["0.md", "1.md", "2.md"]
    assert len(list(acme.store.list_files(stage))) == 3


def _bronze(world, engagement):
    return world.query(
        "acme",
        "SELECT file_name FROM {base}_bronze.bronze_evidence_raw "
        f"WHERE engagement_id = '{engagement}' ORDER BY file_name",
    )
