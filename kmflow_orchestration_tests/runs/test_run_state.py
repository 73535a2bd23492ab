"""The table of part 6: rule by rule, and the whole product of the platform's words."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.runs.run_state import (
    OUTSTANDING,
    TERMINAL,
    PlatformState,
    RunStatus,
    translate,
    translate_state,
)


def _words(text):
    return (None, *text.split())


LIFE_CYCLES = _words(
    """
    BLOCKED INTERNAL_ERROR PENDING QUEUED RUNNING SKIPPED TERMINATED TERMINATING
    WAITING_FOR_RETRY WAITING SOMETHING_NEW
    """
)
RESULTS = _words(
    """
    CANCELED DISABLED EXCLUDED FAILED MAXIMUM_CONCURRENT_RUNS_REACHED SUCCESS
    SUCCESS_WITH_FAILURES TIMEDOUT UPSTREAM_CANCELED UPSTREAM_FAILED EVICTED NEWWORD
    """
)
CODES = _words(
    """
    SUCCESS SUCCESS_WITH_FAILURES USER_CANCELED CANCELED SKIPPED DISABLED
    MAX_CONCURRENT_RUNS_EXCEEDED MAX_JOB_QUEUE_SIZE_EXCEEDED WORKSPACE_RUN_LIMIT_EXCEEDED
    CLUSTER_REQUEST_LIMIT_EXCEEDED MAX_SPARK_CONTEXTS_EXCEEDED CLOUD_FAILURE CLUSTER_ERROR
    DRIVER_ERROR INTERNAL_ERROR STORAGE_ACCESS_ERROR REPOSITORY_CHECKOUT_FAILED
    BREAKING_CHANGE LIBRARY_INSTALLATION_ERROR INVALID_CLUSTER_REQUEST
    INVALID_RUN_CONFIGURATION FEATURE_DISABLED RESOURCE_NOT_FOUND BUDGET_POLICY_LIMIT_EXCEEDED
    UNAUTHORIZED_ERROR RUN_EXECUTION_ERROR CLUSTER_TERMINATED_BY_USER
    """
)
TYPES = (None, "SUCCESS", "CLIENT_ERROR", "CLOUD_FAILURE", "INTERNAL_ERROR")

# life cycle, result, code → status, failure class, retryable
TABLE = [
    (None, None, None, "unknown", "", False),  # 1
    ("SOMETHING_NEW", "NEWWORD", None, "unknown", "", False),
    (None, "SUCCESS", None, "completed", "", False),  # 2
    ("SOMETHING_NEW", "FAILED", "DRIVER_ERROR", "failed", "platform", True),
    ("QUEUED", "FAILED", "CLUSTER_ERROR", "queued", "", False),  # 3
    ("PENDING", None, None, "queued", "", False),  # 4
    ("BLOCKED", None, None, "queued", "", False),  # 5
    ("WAITING", None, None, "running", "", False),  # 6
    ("WAITING_FOR_RETRY", "FAILED", None, "running", "", False),
    ("RUNNING", None, None, "running", "", False),  # 7
    ("TERMINATING", "SUCCESS", "SUCCESS", "running", "", False),  # 8
    ("TERMINATED", "SUCCESS", None, "completed", "", False),  # 9
    ("TERMINATED", "SUCCESS", "SUCCESS", "completed", "", False),
    ("TERMINATED", "SUCCESS", "SUCCESS_WITH_FAILURES", "completed_with_warnings", "partial", False),
    ("TERMINATED", "SUCCESS_WITH_FAILURES", None, "completed_with_warnings", "partial", False),
    ("TERMINATED", "SUCCESS", "DRIVER_ERROR", "completed_with_warnings", "partial", False),  # 11
    ("TERMINATED", "TIMEDOUT", "CANCELED", "timed_out", "timeout", False),  # 12
    ("TERMINATED", "CANCELED", "USER_CANCELED", "cancelled", "cancelled", False),  # 13
    ("TERMINATED", "CANCELED", None, "cancelled", "cancelled", False),  # 14
    ("TERMINATED", "CANCELED", "CLOUD_FAILURE", "cancelled", "cancelled", False),  # 15
    ("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR", "failed", "code", False),  # 16
    ("TERMINATED", "FAILED", "CLOUD_FAILURE", "failed", "cloud", True),
    ("TERMINATED", "FAILED", "CLUSTER_TERMINATED_BY_USER", "failed", "unknown", False),
    ("TERMINATED", "FAILED", "SUCCESS", "failed", "unknown", False),
    ("TERMINATED", "MAXIMUM_CONCURRENT_RUNS_REACHED", None, "skipped", "capacity", True),  # 17
    ("TERMINATED", "EXCLUDED", None, "skipped", "configuration", False),  # 18
    ("TERMINATED", "UPSTREAM_FAILED", None, "failed", "upstream", False),  # 19
    ("TERMINATED", "UPSTREAM_CANCELED", None, "cancelled", "cancelled", False),  # 20
    ("TERMINATED", "EVICTED", None, "failed", "unknown", False),
    ("TERMINATED", None, "SUCCESS", "completed", "", False),  # 21
    ("TERMINATED", None, "SKIPPED", "skipped", "skipped", True),
    ("TERMINATED", None, "CLUSTER_TERMINATED_BY_USER", "failed", "unknown", False),
    ("TERMINATED", None, None, "unknown", "", False),
    ("TERMINATED", "NEWWORD", "UNAUTHORIZED_ERROR", "failed", "permission", False),  # 22
    ("TERMINATED", "NEWWORD", None, "unknown", "", False),
    ("SKIPPED", None, None, "skipped", "skipped", True),  # 23
    ("INTERNAL_ERROR", "TIMEDOUT", None, "timed_out", "timeout", False),  # 24
    ("INTERNAL_ERROR", "CANCELED", "USER_CANCELED", "cancelled", "cancelled", False),  # 25
    ("INTERNAL_ERROR", "SUCCESS", None, "failed", "platform", True),  # 26
    ("INTERNAL_ERROR", "FAILED", "LIBRARY_INSTALLATION_ERROR", "failed", "configuration", False),
]


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_each_rule_of_the_table_holds(case):
    life_cycle, result, code, *expected = case
    said = PlatformState(life_cycle_state=life_cycle, result_state=result, termination_code=code)

    translated = translate(said)

    assert [translated.status, translated.failure_class, translated.retryable] == expected


def test_the_whole_product_of_words_always_gives_one_of_nine_statuses():
    for life_cycle, result, code, kind in product(LIFE_CYCLES, RESULTS, CODES, TYPES):
        translated = translate(
            PlatformState(
                life_cycle_state=life_cycle,
                result_state=result,
                termination_code=code,
                termination_type=kind,
            )
        )
        assert translated.status in set(RunStatus)
        assert translated.is_terminal == (translated.status not in OUTSTANDING)
        assert not (translated.is_terminal and translated.give_up_after)


def test_no_word_of_the_sdk_is_missing_from_the_product():
    from databricks.sdk.service import jobs

    def members(kind):
        return {one.value for one in kind}

    lives = members(jobs.RunLifeCycleState) | members(jobs.RunLifecycleStateV2State)
    assert lives <= set(LIFE_CYCLES)
    assert members(jobs.RunResultState) <= set(RESULTS)
    assert members(jobs.TerminationCodeCode) <= set(CODES)
    assert members(jobs.TerminationTypeType) <= set(TYPES)


def test_nine_statuses_of_which_six_are_an_end():
    assert len(RunStatus) == 9
    assert {"queued", "running", "unknown"} == OUTSTANDING
    assert len(TERMINAL) == 6


@pytest.mark.parametrize(
    ("duration_ms", "message", "status"),
    [
        (7_200_000, "", "timed_out"),
        (7_199_999, "", "cancelled"),
        (0, "Run exceeded maximum duration of 7200 seconds", "timed_out"),
        (0, "the run timed out", "timed_out"),
    ],
)
def test_a_cancelled_run_that_used_all_its_time_timed_out(duration_ms, message, status):
    words = {"life_cycle_state": "TERMINATED", "result_state": "CANCELED", "state_message": message}

    said = translate_state(words, run_duration_ms=duration_ms, timeout_seconds=7200)

    assert said.status == status


def test_an_unknown_result_is_decided_by_the_type_of_the_termination():
    words = {"state": "TERMINATED", "termination_details": {"type": "SUCCESS"}}
    run = {
        "state": {"life_cycle_state": "TERMINATED", "result_state": "NEWWORD"},
        "status": words,
    }

    assert translate_state(run).status == "completed_with_warnings"


def test_a_whole_run_its_parts_and_a_pair_are_all_understood():
    v1 = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
    v2 = {"state": "TERMINATED", "termination_details": {"code": "SUCCESS"}}
    shapes = [{"state": v1, "status": v2}, {"state": v1}, {"status": v2}, v1, v2]

    said = [translate_state(shape).status for shape in [*shapes, ("TERMINATED", "SUCCESS")]]

    assert set(said) == {"completed"}


def test_lower_case_words_are_understood():
    assert translate_state(("terminated", "success")).status == "completed"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (17, "run_state"),
        (("A", "B", "C"), "run_state"),
        ({"life_cycle_state": 3}, "life_cycle_state"),
        ({"status": "x"}, "status"),
        ({"state": {"result_state": []}}, "result_state"),
    ],
)
def test_wrong_types_are_named(wrong, named):
    with pytest.raises(TypeError, match=named):
        translate_state(wrong)


@given(st.text(), st.text(), st.text())
def test_no_words_whatever_raise(life_cycle, result, code):
    said = PlatformState(life_cycle_state=life_cycle, result_state=result, termination_code=code)

    assert translate(said).status in set(RunStatus)
