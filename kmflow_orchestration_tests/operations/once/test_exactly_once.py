"""After any history: the tables and files of one clean run (row H2)."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.operations.once.interruptions import Interruption
from kmflow_orchestration_tests.operations.once.machine import (
    ROWS,
    TEXTS,
    ExactlyOnce,
    ExactlyOnceOnAWorkspace,
)
from kmflow_orchestration_tests.operations.once.profiles import CompletionsOnce
from kmflow_orchestration_tests.operations.once.stage import Stage
from kmflow_orchestration_tests.operations.once.world import Taken

_RULES = settings(
    deadline=None,
    derandomize=True,
    print_blob=False,
    # A failure is shown as it is: to make it smaller would take ten times the time.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def test_a_history_of_loss_death_switch_and_take_over_ends_like_one_clean_run(
    stage: Stage,
) -> None:
    machine = ExactlyOnce(stage)
    world = machine.world
    world.drop("e1/a.csv", ROWS[0])
    world.drop("e1/b.csv", ROWS[0])
    world.drop("e2/note.md", TEXTS[0])  # never sent again: it stays where it came to
    world.run(Interruption("loss"))
    world.wait(timedelta(minutes=5))
    world.run(Interruption("die", at=9))
    world.drop("e1/a.csv", ROWS[1])
    world.drop("e2/a.csv", ROWS[2])
    world.switch(0)

    def switch_back_and_take_over() -> None:
        world.switch(0)
        world.take_over()

    # Two runs at once, each with another STORAGE_BACKEND.
    world.run(Interruption("meanwhile", at=4, meanwhile=switch_back_and_take_over))
    world.switch(0)
    world.drop("e1/b.csv", ROWS[2])
    world.run(Interruption("die at commit", at=3))

    machine.check()

    assert {type(deed) for deed in world.deeds} == {Taken}
    states = {row["state"] for row in world.rows("SELECT state FROM evidence_items")}
    assert states == {"published", "superseded"}
    backends = {row["backend"] for row in world.rows("SELECT backend FROM evidence_items")}
    assert backends == {"local", "delta"}


def test_a_few_histories_end_like_one_clean_run(stage: Stage) -> None:
    run_state_machine_as_test(
        lambda: ExactlyOnce(stage), settings=settings(_RULES, max_examples=3, stateful_step_count=5)
    )


def test_completions_that_repeat_race_come_late_or_never_leave_what_one_would(
    tmp_path: Path, control_database: NewDatabase
) -> None:
    numbers = count(1)

    def machine() -> CompletionsOnce:
        return CompletionsOnce(lambda: control_database(tmp_path / f"{next(numbers)}.db"))

    run_state_machine_as_test(
        machine, settings=settings(_RULES, max_examples=5, stateful_step_count=10)
    )


@pytest.mark.journey
def test_many_histories_end_like_one_clean_run(stage: Stage) -> None:
    run_state_machine_as_test(
        lambda: ExactlyOnce(stage),
        settings=settings(_RULES, max_examples=16, stateful_step_count=10),
    )


@pytest.mark.journey
def test_histories_on_a_workspace_end_like_one_clean_run(workspace_stage: Stage) -> None:
    run_state_machine_as_test(
        lambda: ExactlyOnceOnAWorkspace(workspace_stage),
        settings=settings(_RULES, max_examples=2, stateful_step_count=8),
    )
