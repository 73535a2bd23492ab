"""Killed between any two changes of what follows storing, and run again: the same tables.

A step's outcome depends on nothing but what it finds (rows, ledger, registry): where that is the
same after a step, everything after it is.
"""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.operations.kills.day_of_work import STEPS
from kmflow_orchestration_tests.operations.kills.scene import Scene
from kmflow_orchestration_tests.operations.kills.watching import KillAt, Moment, Recorder

pytestmark = pytest.mark.journey


def moments(scene: Scene, recorder: Recorder) -> list[Moment]:
    """As many as the storage can afford: a workspace has to be started for each."""
    if scene.home.backend == "local":
        return recorder.moments()
    return recorder.moments_before_ledger() or recorder.moments()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_killed_and_run_again_ends_like_an_undisturbed_one(scene: Scene, step: str) -> None:
    recorder = Recorder()
    with scene.begun(step):
        undisturbed = scene.do(step, recorder)

    for moment in (chosen := moments(scene, recorder)):
        with scene.begun(step):
            assert scene.is_killed(step, KillAt(moment)), moment
            assert scene.do(step) == undisturbed, moment
    assert chosen
