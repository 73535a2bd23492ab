"""After any history: the tables and files of one clean run (row H2)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kmflow_orchestration_tests.operations.once.machine import ExactlyOnce, ExactlyOnceOnAWorkspace
from kmflow_orchestration_tests.operations.once.stage import Stage

_RULES = settings(
    deadline=None,
    derandomize=True,
    print_blob=False,
    # A failure is shown as it is: to make it smaller would take ten times the time.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def test_a_few_histories_end_like_one_clean_run(stage: Stage) -> None:
    run_state_machine_as_test(
        lambda: ExactlyOnce(stage), settings=settings(_RULES, max_examples=3, stateful_step_count=6)
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
