"""Killed at random moments, often in the midst of a change, and repeated: the same (row G13)."""

from __future__ import annotations

import random

import pytest

from kmflow_orchestration_tests.operations.kills.scene import TAKE_IN, WORK, Scene
from kmflow_orchestration_tests.operations.kills.watching import Recorder, random_kill

pytestmark = pytest.mark.journey

DAYS = {"local": 2, "databricks": 1}
KILLS = 2


def test_a_day_killed_again_and_again_ends_like_an_undisturbed_one(scene: Scene) -> None:
    recorder = Recorder()
    with scene.begun(TAKE_IN):
        undisturbed = scene.do(WORK, recorder)

    for seed in range(DAYS[scene.home.backend]):
        dice = random.Random(seed)
        with scene.begun(TAKE_IN):
            kills = sum(
                scene.is_killed(WORK, random_kill(dice, len(recorder.changes)))
                for _ in range(KILLS)
            )
            # A run that goes on where another died may have less to do than the dice expect.
            assert kills >= 1
            assert scene.do(WORK) == undisturbed, f"day {seed}, killed {kills} times"
