"""What the Jobs API knows about jobs, runs and task runs, and how rows of SQLite become it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.redaction import redact
from kmflow_orchestration.workspace.wire import Caller


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands, in the words of the Jobs API."""

    life_cycle: str
    result: str | None = None
    message: str = ""
    code: str | None = None
    type: str | None = None

    @property
    def ended(self) -> bool:
        return self.life_cycle in {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}


@dataclass(frozen=True, slots=True)
class Job:
    """A job that somebody created."""

    job_id: int
    owner: Caller
    created_ms: int
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """What a task left behind; `logs` are the last five megabytes at most."""

    error: str = ""
    error_trace: str = ""
    logs: str = ""
    logs_truncated: bool = False


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One attempt of one task."""

    run_id: int
    parent_run_id: int
    task_key: str
    attempt: int
    state: RunState
    started_ms: int | None
    ended_ms: int | None
    output: TaskOutput


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, with the settings it started with."""

    run_id: int
    job_id: int
    creator: Caller
    run_as: Caller
    number_in_job: int
    overrides: Mapping[str, Any]
    settings: Mapping[str, Any]
    state: RunState
    created_ms: int
    started_ms: int | None
    ended_ms: int | None


def state_columns(state: RunState) -> tuple[str | None, ...]:
    """A state as the values of its five columns; a job's words are anybody's, and are kept."""
    return (state.life_cycle, state.result, redact(state.message), state.code, state.type)


def _state_of(row: sqlite3.Row) -> RunState:
    return RunState(row["life_cycle"], row["result"], row["message"], row["code"], row["type"])


def job_of(row: sqlite3.Row) -> Job:
    """A job from its row."""
    owner = Caller(row["workspace_id"], row["creator"])
    return Job(row["job_id"], owner, row["created_ms"], json.loads(row["settings"]))


def run_of(row: sqlite3.Row) -> Run:
    """A run from its row."""
    return Run(
        run_id=row["run_id"],
        job_id=row["job_id"],
        creator=Caller(row["workspace_id"], row["creator"]),
        run_as=Caller(row["workspace_id"], row["run_as"]),
        number_in_job=row["number_in_job"],
        overrides=json.loads(row["overrides"]),
        settings=json.loads(row["settings"]),
        state=_state_of(row),
        created_ms=row["created_ms"],
        started_ms=row["started_ms"],
        ended_ms=row["ended_ms"],
    )


def task_run_of(row: sqlite3.Row) -> TaskRun:
    """A task run from its row."""
    return TaskRun(
        run_id=row["run_id"],
        parent_run_id=row["parent_run_id"],
        task_key=row["task_key"],
        attempt=row["attempt"],
        state=_state_of(row),
        started_ms=row["started_ms"],
        ended_ms=row["ended_ms"],
        output=TaskOutput(
            row["error"], row["error_trace"], row["logs"], bool(row["logs_truncated"])
        ),
    )
