"""Jobs, runs and task runs in SQLite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.redaction import redact
from kmflow_orchestration.workspace.job_records import (
    Job,
    Run,
    RunState,
    TaskOutput,
    TaskRun,
    job_of,
    run_of,
    state_columns,
    task_run_of,
)
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller

_FIRST_ID = 500_000_000_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job_ids (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS jobs (
    job_id INTEGER PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    creator TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    settings TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    creator TEXT NOT NULL,
    run_as TEXT NOT NULL,
    number_in_job INTEGER NOT NULL,
    idempotency_token TEXT,
    overrides TEXT NOT NULL,
    settings TEXT NOT NULL,
    life_cycle TEXT NOT NULL,
    result TEXT,
    message TEXT NOT NULL DEFAULT '',
    code TEXT,
    type TEXT,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    UNIQUE (workspace_id, idempotency_token)
);
CREATE INDEX IF NOT EXISTS runs_of_job ON runs (job_id, run_id);
CREATE TABLE IF NOT EXISTS task_runs (
    run_id INTEGER PRIMARY KEY,
    parent_run_id INTEGER NOT NULL REFERENCES runs,
    task_key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    life_cycle TEXT NOT NULL,
    result TEXT,
    message TEXT NOT NULL DEFAULT '',
    code TEXT,
    type TEXT,
    started_ms INTEGER,
    ended_ms INTEGER,
    error TEXT NOT NULL DEFAULT '',
    error_trace TEXT NOT NULL DEFAULT '',
    logs TEXT NOT NULL DEFAULT '',
    logs_truncated INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS task_runs_of_run ON task_runs (parent_run_id, run_id);
"""

_LIVE = "('QUEUED', 'PENDING', 'RUNNING', 'TERMINATING')"
_ENDED = "('TERMINATED', 'SKIPPED', 'INTERNAL_ERROR')"


class JobStore:
    """What the Jobs API remembers. Times are in milliseconds of the server's clock."""

    def __init__(self, state: WorkspaceState) -> None:
        self._database = state.database
        self._clock = state.clock
        self._database.ensure(_SCHEMA)

    def create_job(self, owner: Caller, settings: Mapping[str, Any]) -> int:
        """Keep a new job; its id."""
        with self._database.transaction() as database:
            job_id = self._next_id()
            database.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, 0)",
                (job_id, owner.workspace_id, owner.principal, self._now(), json.dumps(settings)),
            )
        return job_id

    def job(self, workspace_id: str, job_id: int) -> Job | None:
        """A job that was not deleted."""
        rows = self._database.execute(
            "SELECT * FROM jobs WHERE workspace_id = ? AND job_id = ? AND NOT deleted",
            (workspace_id, job_id),
        )
        return job_of(rows[0]) if rows else None

    def jobs(self, workspace_id: str) -> list[Job]:
        """All jobs of a workspace, the newest first."""
        rows = self._database.execute(
            "SELECT * FROM jobs WHERE workspace_id = ? AND NOT deleted ORDER BY job_id DESC",
            (workspace_id,),
        )
        return [job_of(row) for row in rows]

    def replace_settings(self, job_id: int, settings: Mapping[str, Any]) -> None:
        """New settings for the runs to come."""
        self._database.execute(
            "UPDATE jobs SET settings = ? WHERE job_id = ?", (json.dumps(settings), job_id)
        )

    def delete_job(self, job_id: int) -> None:
        """Hide a job; its runs stay readable."""
        self._database.execute("UPDATE jobs SET deleted = 1 WHERE job_id = ?", (job_id,))

    def create_run(
        self, job: Job, creator: Caller, *, overrides: Mapping[str, Any], token: str | None
    ) -> tuple[Run, bool]:
        """A new run in PENDING; or the run that has this idempotency token, and False."""
        with self._database.transaction() as database:
            known = database.execute(
                "SELECT * FROM runs WHERE workspace_id = ? AND idempotency_token = ?",
                (creator.workspace_id, token),
            )
            if known:
                return run_of(known[0]), False
            run_id = self._next_id()
            database.execute(
                "INSERT INTO runs (run_id, workspace_id, job_id, creator, run_as, number_in_job,"
                " idempotency_token, overrides, settings, life_cycle, created_ms)"
                " SELECT ?, ?, ?, ?, ?, 1 + count(*), ?, ?, ?, 'PENDING', ?"
                " FROM runs WHERE job_id = ?",
                (
                    run_id,
                    creator.workspace_id,
                    job.job_id,
                    creator.principal,
                    job.owner.principal,
                    token,
                    json.dumps(overrides),
                    json.dumps(job.settings),
                    self._now(),
                    job.job_id,
                ),
            )
            [row] = database.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,))
        return run_of(row), True

    def run(self, workspace_id: str, run_id: int) -> Run | None:
        """A run of a job, by its own id."""
        rows = self._database.execute(
            "SELECT * FROM runs WHERE workspace_id = ? AND run_id = ?", (workspace_id, run_id)
        )
        return run_of(rows[0]) if rows else None

    def runs(
        self, workspace_id: str, *, job_id: int | None = None, live: bool | None = None
    ) -> list[Run]:
        """Runs, the newest first; of one job, only live or only ended ones when asked so."""
        condition = {None: "", True: f"AND life_cycle IN {_LIVE}"}
        rows = self._database.execute(
            "SELECT * FROM runs WHERE workspace_id = ? AND coalesce(?, job_id) = job_id"
            f" {condition.get(live, f'AND life_cycle IN {_ENDED}')} ORDER BY run_id DESC",
            (workspace_id, job_id),
        )
        return [run_of(row) for row in rows]

    def queued(self, workspace_id: str, job_id: int) -> list[Run]:
        """Runs that wait for a place, in the order they came."""
        live = self.runs(workspace_id, job_id=job_id, live=True)
        return [run for run in reversed(live) if run.state.life_cycle == "QUEUED"]

    def set_run_state(self, run_id: int, state: RunState) -> None:
        """Move a run on; the first RUNNING starts its time, an end state ends it."""
        self._set_state("runs", run_id, state)

    def create_task_run(self, run_id: int, task_key: str, attempt: int) -> int:
        """A new attempt in PENDING; its run id."""
        with self._database.transaction() as database:
            task_run_id = self._next_id()
            database.execute(
                "INSERT INTO task_runs (run_id, parent_run_id, task_key, attempt, life_cycle,"
                " started_ms) VALUES (?, ?, ?, ?, 'PENDING', ?)",
                (task_run_id, run_id, task_key, attempt, self._now()),
            )
        return task_run_id

    def set_task_state(self, task_run_id: int, state: RunState) -> None:
        """Move a task run on."""
        self._set_state("task_runs", task_run_id, state)

    def set_output(self, task_run_id: int, output: TaskOutput) -> None:
        """Keep what a task left behind; its words are anybody's."""
        self._database.execute(
            "UPDATE task_runs SET error = ?, error_trace = ?, logs = ?, logs_truncated = ?"
            " WHERE run_id = ?",
            (
                redact(output.error),
                redact(output.error_trace),
                redact(output.logs),
                int(output.logs_truncated),
                task_run_id,
            ),
        )

    def task_runs(self, run_id: int) -> list[TaskRun]:
        """Attempts of all tasks of a run, in the order they began."""
        rows = self._database.execute(
            "SELECT * FROM task_runs WHERE parent_run_id = ? ORDER BY run_id", (run_id,)
        )
        return [task_run_of(row) for row in rows]

    def task_run(self, workspace_id: str, task_run_id: int) -> TaskRun | None:
        """One attempt by its own id."""
        rows = self._database.execute(
            "SELECT t.* FROM task_runs t JOIN runs r ON r.run_id = t.parent_run_id"
            " WHERE r.workspace_id = ? AND t.run_id = ?",
            (workspace_id, task_run_id),
        )
        return task_run_of(rows[0]) if rows else None

    def end_live_runs(self, state: RunState) -> None:
        """Give everything that is still live the same end: its server is gone."""
        values = (*state_columns(state), self._now())
        for table in ("runs", "task_runs"):
            self._database.execute(
                f"UPDATE {table} SET life_cycle = ?, result = ?, message = ?, code = ?, type = ?,"
                f" ended_ms = ? WHERE life_cycle IN {_LIVE}",
                values,
            )

    def _set_state(self, table: str, run_id: int, state: RunState) -> None:
        now = self._now()
        self._database.execute(
            f"UPDATE {table} SET life_cycle = ?, result = ?, message = ?, code = ?, type = ?,"
            " started_ms = coalesce(started_ms, ?), ended_ms = ? WHERE run_id = ?",
            (
                *state_columns(state),
                now if state.life_cycle == "RUNNING" else None,
                now if state.ended else None,
                run_id,
            ),
        )

    def _next_id(self) -> int:
        self._database.execute("INSERT INTO job_ids DEFAULT VALUES")
        [row] = self._database.execute("SELECT last_insert_rowid() AS id")
        return _FIRST_ID + int(row["id"])

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
