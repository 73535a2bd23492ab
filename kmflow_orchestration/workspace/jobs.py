"""Jobs API 2.0, 2.1 and 2.2: the same handlers under three addresses."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from starlette.routing import Route

from kmflow_orchestration.workspace.job_records import Job, Run, TaskRun
from kmflow_orchestration.workspace.job_settings import checked_settings, invalid
from kmflow_orchestration.workspace.job_shapes import (
    job_shape,
    output_shape,
    run_shape,
    task_shape,
)
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

_Item = TypeVar("_Item")
_PAGE = 20
_LONGEST_PAGE = 100
_LONGEST_TOKEN = 64
_OVERRIDES = ("job_parameters", "python_params", "python_named_params")
_REFUSED_OVERRIDES = ("jar_params", "notebook_params", "spark_submit_params", "sql_params", "only")


def routes(services: Services) -> list[Route]:
    """All jobs endpoints."""
    desk = _JobsDesk(services)
    handlers = {
        ("POST", "create"): desk.create,
        ("GET", "get"): desk.get,
        ("GET", "list"): desk.list_jobs,
        ("POST", "reset"): desk.reset,
        ("POST", "delete"): desk.delete,
        ("POST", "run-now"): desk.run_now,
        ("GET", "runs/get"): desk.get_run,
        ("GET", "runs/list"): desk.list_runs,
        ("GET", "runs/get-output"): desk.get_output,
        ("POST", "runs/cancel"): desk.cancel,
    }
    return [
        Route(f"/api/{version}/jobs/{name}", endpoint(handler), methods=[method])
        for version in ("2.0", "2.1", "2.2")
        for (method, name), handler in handlers.items()
    ]


class _JobsDesk:
    """Handlers; each finds its job or run, checks the caller, answers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._jobs = services.jobs
        self._store = services.jobs.store

    def create(self, call: Call) -> dict[str, Any]:
        settings = checked_settings(call.body)
        self._check_run_as(call.caller, settings)
        return {"job_id": self._store.create_job(call.caller, settings)}

    def get(self, call: Call) -> dict[str, Any]:
        return job_shape(self._job(call.caller, call.query))

    def list_jobs(self, call: Call) -> dict[str, Any]:
        name = call.query.get("name", "").lower()
        found = [
            job
            for job in self._store.jobs(call.caller.workspace_id)
            if self._may(call.caller, job.owner)
            and (not name or str(job.settings["name"]).lower() == name)
        ]
        page, more = _page(found, call.query)
        with_tasks = _flag(call.query, "expand_tasks")
        return {"jobs": [job_shape(job, tasks=with_tasks) for job in page], **more}

    def reset(self, call: Call) -> dict[str, Any]:
        job = self._job(call.caller, call.body)
        settings = checked_settings(call.body.get("new_settings") or {})
        self._check_run_as(job.owner, settings)
        self._store.replace_settings(job.job_id, settings)
        return {}

    def delete(self, call: Call) -> dict[str, Any]:
        self._store.delete_job(self._job(call.caller, call.body).job_id)
        return {}

    def run_now(self, call: Call) -> dict[str, Any]:
        job = self._job(call.caller, call.body)
        token = call.body.get("idempotency_token") or None
        if token is not None and len(token) > _LONGEST_TOKEN:
            raise invalid(f"The idempotency token has more than {_LONGEST_TOKEN} characters.")
        for field in _REFUSED_OVERRIDES:
            if call.body.get(field):
                raise invalid(f"{field} does not fit the tasks of job {job.job_id}.")
        overrides = {key: call.body[key] for key in _OVERRIDES if call.body.get(key)}
        run = self._jobs.run_now(job, call.caller, overrides=overrides, token=token)
        return {"run_id": run.run_id, "number_in_job": run.number_in_job}

    def get_run(self, call: Call) -> dict[str, Any]:
        run, task_run = self._run(call.caller, call.query)
        if task_run is not None:
            return {"job_id": run.job_id, **task_shape(run, task_run, host=self._services.url)}
        return self._shape(run)

    def list_runs(self, call: Call) -> dict[str, Any]:
        job_id = call.query.get("job_id")
        live = True if _flag(call.query, "active_only") else None
        if _flag(call.query, "completed_only"):
            live = False
        runs = self._store.runs(
            call.caller.workspace_id, job_id=_number(job_id) if job_id else None, live=live
        )
        page, more = _page([run for run in runs if self._may(call.caller, run.run_as)], call.query)
        shapes = [self._shape(run) for run in page]
        if not _flag(call.query, "expand_tasks"):
            for shape in shapes:
                del shape["tasks"]
        return {"runs": shapes, **more}

    def get_output(self, call: Call) -> dict[str, Any]:
        run, task_run = self._run(call.caller, call.query)
        if task_run is None:
            attempts = self._store.task_runs(run.run_id)
            if len(run.settings["tasks"]) > 1:
                raise invalid(
                    "Retrieving the output of runs with multiple tasks is not supported. Please"
                    " retrieve the output of each individual task run instead."
                )
            if not attempts:
                return {"metadata": self._shape(run)}
            task_run = attempts[-1]
        return output_shape(run, task_run, host=self._services.url)

    def cancel(self, call: Call) -> dict[str, Any]:
        run, _ = self._run(call.caller, call.body)
        self._jobs.cancel(run)
        return {}

    def _shape(self, run: Run) -> dict[str, Any]:
        return run_shape(run, self._store.task_runs(run.run_id), host=self._services.url)

    def _job(self, caller: Caller, fields: Mapping[str, Any]) -> Job:
        job_id = _number(fields.get("job_id"))
        job = self._store.job(caller.workspace_id, job_id)
        if job is None:
            raise invalid(f"Job {job_id} does not exist.")
        self._check(caller, job.owner, f"job {job_id}")
        return job

    def _run(self, caller: Caller, fields: Mapping[str, Any]) -> tuple[Run, TaskRun | None]:
        """A run by its id or by the id of one of its task runs."""
        run_id = _number(fields.get("run_id"))
        run = self._store.run(caller.workspace_id, run_id)
        task_run = None
        if run is None:
            task_run = self._store.task_run(caller.workspace_id, run_id)
            if task_run is not None:
                run = self._store.run(caller.workspace_id, task_run.parent_run_id)
        if run is None:
            raise invalid(f"Run {run_id} does not exist.")
        self._check(caller, run.run_as, f"run {run_id}")
        return run, task_run

    def _may(self, caller: Caller, owner: Caller) -> bool:
        return caller == owner or self._services.state.is_admin(caller)

    def _check(self, caller: Caller, owner: Caller, what: str) -> None:
        if not self._may(caller, owner):
            raise WireError(
                403,
                "PERMISSION_DENIED",
                f"User {caller.principal} does not have View or Admin or Manage Run or Owner"
                f" permissions on {what}.",
            )

    def _check_run_as(self, owner: Caller, settings: Mapping[str, Any]) -> None:
        run_as = settings.get("run_as") or {}
        if any(name != owner.principal for name in run_as.values()):
            raise WireError(
                403,
                "PERMISSION_DENIED",
                f"User {owner.principal} cannot set run_as to another principal.",
            )


def _number(value: object) -> int:
    text = str(value) if value is not None else ""
    if not text.isdigit() or len(text) > 18:
        raise invalid(f"'{text}' is not a valid id.")
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() == "true"


def _page(
    items: Sequence[_Item], query: Mapping[str, str]
) -> tuple[Sequence[_Item], dict[str, Any]]:
    """One page and what points to the next. Raises WireError for a token that is none."""
    limit = min(_LONGEST_PAGE, _number(query.get("limit") or _PAGE) or _PAGE)
    try:
        start = int(base64.urlsafe_b64decode(query.get("page_token", "")) or b"0")
    except ValueError as error:
        raise invalid("Invalid page token.") from error
    more: dict[str, Any] = {"has_more": start + limit < len(items)}
    if more["has_more"]:
        more["next_page_token"] = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
    return items[start : start + limit], more
