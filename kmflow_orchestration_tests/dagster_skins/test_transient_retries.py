"""A step is tried again after a fault that may pass: not when it is cancelled, not for a defect."""

import dagster as dg
import pytest

from kmflow_orchestration.resources.transient_retries import retry_transient
from kmflow_orchestration_tests.end_to_end.world import failure_of, retries_of

AT_ONCE = dg.RetryPolicy(max_retries=2, delay=0)
PASSES = dg.Failure("busy", metadata={"code": "KM-X"}, allow_retries=True)


def attempts_of(*faults, kind="function"):
    """An asset that raises one fault after the other; the result and how often it was tried."""
    left = list(faults)
    tried = []

    def attempt() -> None:
        tried.append(1)
        if left:
            raise left.pop(0)

    if kind == "function":

        @dg.asset
        def step(context: dg.AssetExecutionContext) -> None:
            attempt()
    else:

        @dg.asset
        def step(context: dg.AssetExecutionContext):
            attempt()
            yield dg.MaterializeResult(metadata={"tried": len(tried)})

    definitions = dg.Definitions(retry_transient([step], AT_ONCE), executor=dg.in_process_executor)
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    return result, len(tried)


@pytest.mark.parametrize("kind", ["function", "generator"])
def test_a_fault_that_may_pass_is_tried_again(kind):
    result, tried = attempts_of(PASSES, PASSES, kind=kind)

    assert (result.success, tried, retries_of(result)) == (True, 3, 2)


def test_a_fault_that_stays_is_told_after_the_last_attempt():
    result, tried = attempts_of(PASSES, PASSES, PASSES)

    assert (result.success, tried) == (False, 3)
    assert "busy" in failure_of(result)


@pytest.mark.parametrize(
    "fault", [dg.Failure("refused", allow_retries=False), ValueError("a defect")]
)
def test_a_lasting_fault_is_not_tried_again(fault):
    result, tried = attempts_of(fault)

    assert (result.success, tried) == (False, 1)
    assert str(fault) in failure_of(result)


@pytest.mark.parametrize("kind", ["function", "generator"])
@pytest.mark.parametrize("fault", [dg.DagsterExecutionInterruptedError, KeyboardInterrupt])
def test_a_cancelled_step_is_not_tried_again(fault, kind):
    result, tried = attempts_of(fault(), kind=kind)

    assert (result.success, tried, retries_of(result)) == (False, 1, 0)
