"""Databricks jobs and their runs (row E3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required_int
from kmflow_orchestration.errors import RemoteNotFound

_JOBS = "/api/2.2/jobs"


class JobsClient:
    """Jobs of one workspace. Raises the leaves that `WorkspaceCalls` names.

    Bodies are the platform's own JSON: settings as the Jobs API takes them, runs as it answers
    them, so that a state word nobody knows yet arrives as it is.
    """

    def __init__(self, calls: WorkspaceCalls) -> None:
        self._calls = calls

    def create(self, settings: Mapping[str, Any]) -> int:
        """Make a job; its id. Never sent twice: after a lost answer look for it by name."""
        answer = self._calls.do("POST", f"{_JOBS}/create", body=settings, repeatable=False)
        return required_int(answer, "job_id", f"POST {_JOBS}/create")

    def reset(self, job_id: int, settings: Mapping[str, Any]) -> None:
        """Replace all settings of a job. Raises RemoteNotFound."""
        body = {"job_id": job_id, "new_settings": dict(settings)}
        self._calls.do("POST", f"{_JOBS}/reset", body=body)

    def get(self, job_id: int) -> dict[str, Any] | None:
        """A job with its settings, None when there is none."""
        try:
            return self._calls.do("GET", f"{_JOBS}/get", query={"job_id": job_id})
        except RemoteNotFound:
            return None

    def find_by_name(self, name: str) -> list[int]:
        """Ids of the jobs with exactly this name, in order."""
        found = [
            required_int(job, "job_id", f"GET {_JOBS}/list")
            for job in self._pages("list", "jobs", {"name": name})
            if (job.get("settings") or {}).get("name") == name
        ]
        return sorted(found)

    def run_now(self, job_id: int, *, parameters: Mapping[str, str], idempotency_token: str) -> int:
        """Start a run, or find the one already started with this token; its run id.

        Safe to repeat after a lost answer because of the token.

        Raises:
            RequestRejected: there is no such job, or the job does not take these parameters.
        """
        body = {
            "job_id": job_id,
            "job_parameters": dict(parameters),
            "idempotency_token": idempotency_token,
        }
        answer = self._calls.do("POST", f"{_JOBS}/run-now", body=body)
        return required_int(answer, "run_id", f"POST {_JOBS}/run-now")

    def run(self, databricks_run_id: int) -> dict[str, Any] | None:
        """A run with all its tasks as the platform describes it, None when there is none."""
        endpoint = f"{_JOBS}/runs/get"
        query: dict[str, Any] = {"run_id": databricks_run_id}
        try:
            run = self._calls.do("GET", endpoint, query=query)
            token = run.pop("next_page_token", None)
            while token:
                page = self._calls.do("GET", endpoint, query={**query, "page_token": token})
                run.setdefault("tasks", []).extend(page.get("tasks") or ())
                token = page.get("next_page_token")
        except RemoteNotFound:
            return None
        required_int(run, "run_id", f"GET {endpoint}")
        return run

    def output(self, task_run_id: int) -> dict[str, Any]:
        """Output of one task's run: `notebook_output`, `logs`, `error`, `error_trace`.

        Raises RemoteNotFound.
        """
        return self._calls.do("GET", f"{_JOBS}/runs/get-output", query={"run_id": task_run_id})

    def cancel(self, databricks_run_id: int) -> None:
        """Ask for the end of a run; one that is over stays as it is. Raises RemoteNotFound."""
        self._calls.do("POST", f"{_JOBS}/runs/cancel", body={"run_id": databricks_run_id})

    def _pages(self, method: str, field: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token: str | None = ""
        while token is not None:
            page_query = {**query, "page_token": token} if token else query
            page = self._calls.do("GET", f"{_JOBS}/{method}", query=page_query)
            yield from page.get(field) or ()
            token = page.get("next_page_token") or None
