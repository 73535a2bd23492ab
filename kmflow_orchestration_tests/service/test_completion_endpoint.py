"""The completion endpoint over real HTTP: what it takes, and everything it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from kmflow_orchestration.metadata.profile_records import StateChange
from kmflow_orchestration.runs.callbacks import MAX_ANOMALIES
from kmflow_orchestration.runs.run_state import Actor, RunStatus
from kmflow_orchestration_tests.runs.profile_world import ACME

ANOMALY = {
    "table_name": "main_bronze.e1__loans",
    "column_name": "rate",
    "anomaly_type": "Non_Standard_Blanks",
    "anomaly_type_id": 1002,
    "severity": "warning",
    "prevalence": 0.25,
    "detected_at": "2026-11-20T08:00:00",
}
BODY = {
    "status": "success",
    "row_count": 100,
    "table_count": 1,
    "column_count": 7,
    "anomaly_count": 1,
    "databricks_run_id": 77,
    "dq_score_profiling": 0.9,
    "anomalies": [ANOMALY],
    "scores": [{"scope": "table_group", "score": 0.9, "record_count": 100}],
}


def test_a_completion_is_taken_once_and_a_repeat_says_so(caller, world):
    run = world.submit()

    answers = [caller.post(run, BODY) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert [answer.headers["x-kmflow-applied"] for answer in answers] == ["true", "false", "false"]
    assert world.read(run).status == "completed"
    (anomaly,) = world.findings.anomalies(ACME, run.profile_run_id)
    assert (anomaly.schema_name, anomaly.table_name) == ("main_bronze", "e1__loans")
    assert (anomaly.anomaly_type_id, anomaly.severity) == ("1002", "medium")
    assert anomaly.detected_at.isoformat() == "2026-11-20T08:00:00+00:00"


def test_the_path_of_the_founding_documents_works_too(caller, world):
    run = world.submit()
    url = caller.settings.url(run).replace("/api/v1", "")

    answer = caller.client.post(url, json={"status": "completed"}, headers=caller.headers(run))

    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", "completed"),
        ("Complete", "completed"),
        ("SUCCESS", "completed"),
        ("succeeded", "completed"),
        (" finished ", "completed"),
        ("failed", "failed"),
        ("error", "failed"),
        ("cancelled", "cancelled"),
        ("canceled", "cancelled"),
        ("timed_out", "timed_out"),
        ("timedout", "timed_out"),
        ("timeout", "timed_out"),
        ("completed_with_warnings", "completed_with_warnings"),
    ],
)
def test_status_words_of_other_systems_are_understood(caller, world, word, status):
    run = world.submit()

    assert caller.post(run, {"status": word}).status_code == 204
    assert world.read(run).status == status


def test_a_count_that_contradicts_its_list_is_a_warning(caller, world):
    run = world.submit()

    caller.post(run, {**BODY, "anomaly_count": 5})

    ended = world.read(run)
    assert (ended.status, ended.anomaly_count) == ("completed_with_warnings", 1)
    assert ended.warnings == ("anomaly_count_mismatch: 5 said, 1 listed",)


def test_a_completion_that_was_in_time_but_lost_corrects_a_timeout(caller, world):
    run = world.submit()
    gone = StateChange(status=RunStatus.TIMED_OUT, reason="deadline")
    world.runs.change(ACME, run, gone, by=Actor.POLLER, at=world.clock.now())

    assert caller.post(run, BODY).headers["x-kmflow-applied"] == "true"


def test_an_expired_token_changes_nothing(caller, world):
    run = world.submit()
    world.clock.advance(3 * 3600 + 1)

    assert caller.post(run, BODY).status_code == 401
    assert world.read(run) == run


def test_another_runs_token_changes_nothing(caller, world):
    other = world.submit(1)
    world.complete(other)
    run = world.submit(2)

    answer = caller.post(run, BODY, headers=caller.headers(other))

    assert answer.status_code == 403
    assert world.read(run) == run


def test_a_token_without_its_table_group_changes_nothing(caller, world):
    run = world.submit()
    bare = caller.settings.url(run).partition("?")[0]

    answer = caller.client.post(bare, json=BODY, headers=caller.headers(run))

    assert answer.status_code == 403
    assert world.read(run) == run


def test_ids_cannot_be_probed(caller, world):
    run = world.submit()
    unknown = caller.settings.url(run).replace(run.profile_run_id, "0" * 8)

    answers = [
        caller.client.post(
            url, json=BODY, headers={"Authorization": f"Bearer v1.9999999999.{43 * 'A'}"}
        )
        for url in (unknown, caller.settings.url(run))
    ]

    assert answers[0].status_code == answers[1].status_code == 403
    assert answers[0].json() == answers[1].json()


def test_a_run_is_looked_up_in_its_own_group_only(caller, world):
    run = world.submit()
    for group in ("globex", "", "../acme"):
        url = caller.settings.url(run).replace("group_id=acme", f"group_id={group}")
        answer = caller.client.post(url, json=BODY, headers=caller.headers(run))
        assert answer.status_code == 404, answer.text

    assert world.read(run) == run


def test_a_run_nobody_knows_is_404_to_who_may_ask(caller, world):
    known = world.submit()
    unknown = replace(known, profile_run_id="00000000-0000-0000-0000-00000000dead")

    answer = caller.post(unknown, BODY)

    assert (answer.status_code, answer.json()["error"]) == (404, "KM-PROFILE-003")
    assert answer.json()["profile_run_id"] == unknown.profile_run_id
    assert world.read(known) == known


def test_without_a_key_the_endpoint_is_closed_never_open(serve, world):
    run = world.submit()
    closed = serve(None)

    answer = closed.client.post(closed.settings.url(run), json=BODY, headers=closed.headers(run))

    assert answer.status_code == 503
    assert world.read(run) == run


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": "splendid"}, "status"),
        ({"row_count": -1}, "row_count"),
        ({"row_count": 2**63}, "row_count"),
        ({"row_count": "many"}, "row_count"),
        ({"anomalies": [{**ANOMALY, "detected_at": "yesterday"}]}, "anomalies.0.detected_at"),
        ({"anomalies": [{**ANOMALY, "anomaly_type": " "}]}, "anomalies.0.anomaly_type"),
        ({"anomalies": [{"anomaly_type": "x"}]}, "anomalies.0.table_name"),
        ({"anomalies": [{**ANOMALY, "severity": "dreadful"}]}, "anomalies.0.severity"),
        ({"anomalies": [{**ANOMALY, "prevalence": 1.5}]}, "anomalies.0.prevalence"),
        ({"scores": [{"scope": "galaxy"}]}, "scores.0.scope"),
        ({"dq_score_profiling": "NaN"}, "dq_score_profiling"),
    ],
)
def test_a_wrong_body_names_its_fields_and_changes_nothing(caller, world, change, named):
    run = world.submit()

    answer = caller.post(run, {**BODY, **change})

    assert answer.status_code == 422
    assert named in answer.json()["fields"]
    assert world.read(run) == run


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"row_count": 1}'])
def test_what_is_no_completion_is_refused(caller, world, content):
    run = world.submit()

    assert caller.post(run, content=content).status_code == 422
    assert world.read(run) == run


def test_a_completion_the_run_does_not_allow_names_its_status(caller, world):
    run = world.submit()
    caller.post(run, BODY)

    answer = caller.post(run, {"status": "failed"})

    assert answer.status_code == 409
    assert answer.json() == {
        "error": "KM-PROFILE-006",
        "detail": "a run that is completed cannot become failed",
        "retryable": False,
        "table_group_id": "e1",
        "profile_run_id": run.profile_run_id,
        "current_status": "completed",
    }


def test_a_completion_of_another_platform_run_is_refused(caller, world):
    run = world.submit()

    assert caller.post(run, {**BODY, "databricks_run_id": 78}).status_code == 409


def test_an_endless_body_is_cut_off(caller, world):
    run = world.submit()
    endless = (b" " * 1024 * 1024 for _ in range(17))

    answer = caller.post(run, content=endless)

    assert answer.status_code == 413
    assert world.read(run) == run


def test_too_many_anomalies_are_refused(caller, world):
    run = world.submit()
    few_bytes = {"table_name": "t", "anomaly_type": "x"}

    answer = caller.post(
        run, {"status": "completed", "anomalies": [few_bytes] * (MAX_ANOMALIES + 1)}
    )

    assert answer.status_code == 413
    assert world.read(run) == run


def test_a_database_that_fails_asks_the_sender_to_come_again(caller, world):
    run = world.submit()
    with world.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dq_profile_scores RENAME TO elsewhere"))

    answer = caller.post(run, BODY)

    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert world.read(run).status == "queued"
