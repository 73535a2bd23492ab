"""Job runs from run-now to their end: queue, tasks in order, retries, time-outs, cancellation."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kmflow_orchestration.workspace.catalog_services import CatalogServices
from kmflow_orchestration.workspace.job_records import Job, Run, RunState, TaskOutput
from kmflow_orchestration.workspace.job_settings import ordered_waves
from kmflow_orchestration.workspace.job_store import JobStore
from kmflow_orchestration.workspace.job_tasks import LibraryFault, TaskAttempt, TaskRunner
from kmflow_orchestration.workspace.task_process import TaskEnd
from kmflow_orchestration.workspace.wire import Caller

_LOG = logging.getLogger(__name__)
_JOIN_S = 15.0
_PAUSE_STEP_S = 0.25
"""How long a pause between attempts may keep a cancelled run waiting."""

SUCCEEDED = RunState("TERMINATED", "SUCCESS", "", "SUCCESS", "SUCCESS")
CANCELED = RunState("TERMINATED", "CANCELED", "Run cancelled.", "USER_CANCELED", "SUCCESS")
TIMED_OUT = RunState(
    "TERMINATED", "TIMEDOUT", "Timed out", code="RUN_EXECUTION_ERROR", type="CLIENT_ERROR"
)
SERVER_GONE = RunState(
    "INTERNAL_ERROR", "FAILED", "The workspace was stopped.", "INTERNAL_ERROR", "INTERNAL_ERROR"
)
OVER_LIMIT = RunState(
    "SKIPPED",
    None,
    "Run skipped: the maximum number of concurrent runs has been reached.",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
    "CLIENT_ERROR",
)
UPSTREAM_FAILED = RunState(
    "TERMINATED", "UPSTREAM_FAILED", "An upstream task failed.", "SKIPPED", "CLIENT_ERROR"
)
QUEUED, PENDING, RUNNING = RunState("QUEUED"), RunState("PENDING"), RunState("RUNNING")


@dataclass(slots=True)
class _Live:
    """A run that has a thread; mutable because a cancel reaches it from outside."""

    run: Run
    interrupt: RunState | None = None
    deadline: float | None = None
    thread: threading.Thread | None = field(default=None)


class Jobs:
    """Everything that happens to runs after they were asked for."""

    def __init__(self, services: CatalogServices) -> None:
        self._services = services
        self._clock = services.state.clock
        self.store = JobStore(services.state)
        self.store.end_live_runs(SERVER_GONE)  # live when another server of this directory died
        self._tasks = TaskRunner(services)
        self._lock = threading.RLock()
        self._live: dict[int, _Live] = {}
        self._closed = False

    def run_now(
        self, job: Job, caller: Caller, *, overrides: Mapping[str, Any], token: str | None
    ) -> Run:
        """Ask for a run. The same token gives the same run, whatever else is asked."""
        with self._lock:
            run, new = self.store.create_run(job, caller, overrides=overrides, token=token)
            if new:
                self._admit(run)
        return run

    def cancel(self, run: Run) -> None:
        """End a run soon; one that has ended stays as it is."""
        with self._lock:
            live = self._live.get(run.run_id)
            if live is not None:
                self._interrupt(live, CANCELED)
                return
            current = self.store.run(run.creator.workspace_id, run.run_id)
            if current is not None and not current.state.ended:  # still in the queue
                self.store.set_run_state(run.run_id, CANCELED)

    def close(self) -> None:
        """End all runs; they are INTERNAL_ERROR afterwards."""
        with self._lock:
            self._closed = True
            live = list(self._live.values())
            for each in live:
                self._interrupt(each, SERVER_GONE)
        for each in live:
            if each.thread is not None:
                each.thread.join(_JOIN_S)
        self.store.end_live_runs(SERVER_GONE)

    def _interrupt(self, live: _Live, end: RunState) -> None:
        if live.interrupt is None:
            live.interrupt = end
            self.store.set_run_state(live.run.run_id, RunState("TERMINATING"))

    def _admit(self, run: Run) -> None:
        """Start a new run, or queue or skip it when its job has enough."""
        siblings = [live for live in self._live.values() if live.run.job_id == run.job_id]
        if len(siblings) < run.settings["max_concurrent_runs"]:
            self._start(run)
        elif (run.settings.get("queue") or {}).get("enabled"):
            self.store.set_run_state(run.run_id, QUEUED)
        else:
            self.store.set_run_state(run.run_id, OVER_LIMIT)

    def _start(self, run: Run) -> None:
        live = _Live(run)
        if timeout_s := run.settings.get("timeout_seconds"):
            live.deadline = self._clock.monotonic() + timeout_s
        self._live[run.run_id] = live
        self.store.set_run_state(run.run_id, PENDING)
        live.thread = threading.Thread(
            target=self._run, args=(live,), name=f"run-{run.run_id}", daemon=True
        )
        live.thread.start()

    def _run(self, live: _Live) -> None:
        end = SERVER_GONE
        try:
            end = self._scripted(live.run) or self._executed(live)
        except Exception:  # noqa: BLE001 - a worker: a bug must end the run, not leave it live
            _LOG.exception("run %s", live.run.run_id)
        finally:
            with self._lock:
                self.store.set_run_state(live.run.run_id, end)
                del self._live[live.run.run_id]
                self._start_next(live.run)

    def _start_next(self, ended: Run) -> None:
        if self._closed:
            return
        waiting = self.store.queued(ended.creator.workspace_id, ended.job_id)
        if waiting:
            self._start(waiting[0])

    def _scripted(self, run: Run) -> RunState | None:
        """The end a fault prescribes, with a task run for each task; None for a true run."""
        scripted = self._services.faults.take_run_end(run.run_as.principal)
        if scripted is None:
            return None
        end = RunState(
            scripted.life_cycle_state,
            scripted.result_state,
            scripted.message,
            scripted.termination_code,
            scripted.termination_type,
        )
        for task in run.settings["tasks"]:
            task_run_id = self.store.create_task_run(run.run_id, task["task_key"], 0)
            self.store.set_output(task_run_id, TaskOutput(error=scripted.message))
            self.store.set_task_state(task_run_id, end)
        return end

    def _executed(self, live: _Live) -> RunState:
        with self._lock:
            if live.interrupt is None:
                self.store.set_run_state(live.run.run_id, RUNNING)
        ends: dict[str, RunState] = {}
        for wave in ordered_waves(live.run.settings["tasks"]):
            with ThreadPoolExecutor(max_workers=len(wave)) as pool:
                results = pool.map(partial(self._task, live, dict(ends)), wave)
                ends |= {task["task_key"]: end for task, end in zip(wave, results, strict=True)}
        return live.interrupt or _overall(ends)

    def _task(self, live: _Live, ends: Mapping[str, RunState], task: Mapping[str, Any]) -> RunState:
        """All attempts of one task; the last one's end."""
        needed = [entry["task_key"] for entry in task.get("depends_on") or []]
        if any(ends[key] != SUCCEEDED for key in needed):
            skipped = self.store.create_task_run(live.run.run_id, task["task_key"], 0)
            self.store.set_task_state(skipped, UPSTREAM_FAILED)
            return UPSTREAM_FAILED
        attempt = 0
        while True:
            end = self._attempt(live, task, attempt)
            if not self._again(live, task, attempt, end):
                return end
            attempt += 1

    def _again(self, live: _Live, task: Mapping[str, Any], attempt: int, end: RunState) -> bool:
        """Whether a failed attempt is followed by another, after the task's pause."""
        retries = task.get("max_retries", 0)
        retriable = end.result == "FAILED" or (
            end == TIMED_OUT and task.get("retry_on_timeout", False)
        )
        if not retriable or live.interrupt or 0 <= retries <= attempt:
            return False
        again_at = self._clock.monotonic() + task.get("min_retry_interval_millis", 0) / 1000
        while live.interrupt is None and (left := again_at - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _PAUSE_STEP_S))
        return live.interrupt is None

    def _attempt(self, live: _Live, task: Mapping[str, Any], attempt: int) -> RunState:
        task_run_id = self.store.create_task_run(live.run.run_id, task["task_key"], attempt)
        deadline = None
        if timeout_s := task.get("timeout_seconds"):
            deadline = self._clock.monotonic() + timeout_s
        self.store.set_task_state(task_run_id, RUNNING)
        late = self._deadline(live, deadline)
        try:
            outcome = self._tasks.run(live.run, task, TaskAttempt(task_run_id, attempt + 1), late)
            self.store.set_output(task_run_id, outcome.output)
            end = (live.interrupt or TIMED_OUT) if outcome.interrupted else _end_of(outcome)
        except LibraryFault as fault:
            self.store.set_output(task_run_id, TaskOutput(error=str(fault)))
            end = fault.end
        self.store.set_task_state(task_run_id, end)
        return end

    def _deadline(self, live: _Live, task_deadline: float | None) -> Callable[[], bool]:
        """A question a running task asks over and over: is it to stop?"""

        def stop() -> bool:
            now = self._clock.monotonic()
            if live.deadline is not None and now >= live.deadline:
                with self._lock:
                    self._interrupt(live, TIMED_OUT)
            late = task_deadline is not None and now >= task_deadline
            return live.interrupt is not None or late

        return stop


def _end_of(outcome: TaskEnd) -> RunState:
    if outcome.succeeded:
        return SUCCEEDED
    message = "Workload failed, see run output for details"
    return RunState("TERMINATED", "FAILED", message, "RUN_EXECUTION_ERROR", "CLIENT_ERROR")


def _overall(ends: Mapping[str, RunState]) -> RunState:
    """The end of a run from those of its tasks: the first that did not succeed decides."""
    for key, end in ends.items():
        if end not in (SUCCEEDED, UPSTREAM_FAILED):
            verb = "timed out" if end.result == "TIMEDOUT" else "failed"
            message = f"Task {key} {verb} with message: {end.message}."
            return RunState(end.life_cycle, end.result, message, end.code, end.type)
    return SUCCEEDED
