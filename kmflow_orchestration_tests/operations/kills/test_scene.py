"""The scene that is killed is an eventful one: else its kills would prove little."""

from __future__ import annotations

from collections import Counter

import pytest

from kmflow_orchestration_tests.operations.kills.scene import TAKE_IN, WORK, Scene
from kmflow_orchestration_tests.operations.kills.watching import CHANGES, Recorder

pytestmark = pytest.mark.journey
# Nobody deletes anything in this scene: `operations.deletion` kills a run between these two.
OF_DELETIONS = {"store.delete", "register.finish_deletion"}


def test_a_day_s_work_makes_every_change_that_is_watched(scene: Scene) -> None:
    recorder = Recorder()
    with scene.begun(TAKE_IN):
        scene.do(WORK, recorder)

    watched = {f"{name}.{change}" for name, changes in CHANGES.items() for change in changes}
    assert set(recorder.changes) == watched - OF_DELETIONS


def test_the_third_drop_supersedes_revives_promotes_and_refuses(scene: Scene) -> None:
    with scene.begun("gold"), scene.home.opened() as day:
        group, ledger = day.group.id, day.context.ledger
        batches = ledger.stored_batches(group, day.today)
        items = [item for batch in batches for item in ledger.items(group, batch.batch_id)]

    third = batches[2]
    came = {item.item_id for item in items if item.file_name in {"returns.csv", "zz_copy.csv"}}
    assert (len(third.replaced_item_ids), len(third.moved_item_ids)) == (5, 2)
    assert set(third.moved_item_ids) <= came
    states = Counter(str(item.state) for item in items)
    assert states == {"published": 9, "superseded": 3, "duplicate": 1, "quarantined": 1}
