"""A batch killed half-way, and joined by new files before it is taken up again (design AD3)."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.operations.kills.scene import LATE, PUBLISH, WORK, Found, Scene
from kmflow_orchestration_tests.operations.kills.watching import KillAt, Moment

pytestmark = pytest.mark.journey

MOMENTS = {
    "local": (
        Moment("registry.record", 1),
        Moment("lakehouse.rebuild", 1),
        Moment("ledger.publish", 1),
    ),
    "databricks": (Moment("lakehouse.rebuild", 1),),
}


def what_counts(found: Found) -> Found:
    """Without superseded items: whether one was published before it went tells when it went."""
    items = [row for row in found["evidence_items"] if "'state': 'superseded'" not in row]
    return {**found, "evidence_items": items}


def test_a_batch_killed_and_joined_by_new_files_ends_as_if_they_had_come_later(
    scene: Scene,
) -> None:
    with scene.begun("bronze"):
        scene.do(PUBLISH)
        scene.home.drop(LATE)
        undisturbed = what_counts(scene.do(WORK))

    for moment in MOMENTS[scene.home.backend]:
        with scene.begun("bronze"):
            assert scene.is_killed(PUBLISH, KillAt(moment)), moment
            scene.home.drop(LATE)
            assert what_counts(scene.do(WORK)) == undisturbed, moment

    (wide,) = (rows for table, rows in undisturbed.items() if table.endswith("e1__wide"))
    assert all("Decimal" in row for row in wide)
