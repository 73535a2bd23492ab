"""What a table group's Databricks job looks like (row E10). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.redaction import redact
from kmflow_orchestration.runs.job_runner import JOB_PARAMETERS
from kmflow_orchestration.runs.wheel import ENTRY_POINT, PACKAGE

APP, COMPONENT = "kmflow_orchestration", "data_quality_profiling"
TASK_KEY = "profile"
_ENVIRONMENT = "kmflow"
# The platform's own facts, which the job reports back with its completion.
_REFERENCES = {"databricks_run_id": "{{job.run_id}}", "attempt": "{{task.execution_count}}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a process may choose about its jobs.

    `timeout_seconds` bounds a run; `environment_version` is the serverless environment, of which
    3 comes with a Python our wheel runs on; `retry_pause_s` lies before the one retry.
    """

    name_prefix: str = "kmflow-profile"
    timeout_seconds: int = 7200
    environment_version: str = "3"
    retry_pause_s: int = 60


def job_name(table_group: TableGroup, options: JobOptions) -> str:
    """The job's name, unique within a workspace as long as its groups' ids are."""
    return f"{options.name_prefix}-{table_group.group_id}-{table_group.table_group_id}"


def job_tags(table_group: TableGroup) -> dict[str, str]:
    """Tags by which a job is known to be this table group's (row E8)."""
    return {
        "app": APP,
        "component": COMPONENT,
        "group_id": table_group.group_id,
        "table_group_id": table_group.table_group_id,
    }


def job_settings(
    table_group: TableGroup, options: JobOptions, *, name: str, wheel: VolumePath
) -> dict[str, Any]:
    """All settings of the job; holds no secret, for everybody with view right can read it.

    Raises:
        ConfigurationError: an id or a name has the form of a secret, or is one.
    """
    _refuse_secrets(table_group, name, wheel)
    told = {name: f"{{{{job.parameters.{name}}}}}" for name in JOB_PARAMETERS} | _REFERENCES
    return {
        "name": name,
        "tags": job_tags(table_group),
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "timeout_seconds": options.timeout_seconds,
        "parameters": [{"name": name, "default": ""} for name in JOB_PARAMETERS],
        "tasks": [
            {
                "task_key": TASK_KEY,
                "python_wheel_task": {
                    "package_name": PACKAGE,
                    "entry_point": ENTRY_POINT,
                    "parameters": [f"--{name}={value}" for name, value in told.items()],
                },
                "environment_key": _ENVIRONMENT,
                "max_retries": 1,
                "min_retry_interval_millis": options.retry_pause_s * 1000,
                "retry_on_timeout": False,
            }
        ],
        "environments": [
            {
                "environment_key": _ENVIRONMENT,
                "spec": {
                    "environment_version": options.environment_version,
                    "dependencies": [wheel.text],
                },
            }
        ],
    }


def _refuse_secrets(table_group: TableGroup, name: str, wheel: VolumePath) -> None:
    """A token that was pasted for an id would be shown to everybody who sees the job (row E2)."""
    shown = {**job_tags(table_group), "job name": name, "wheel": wheel.text}
    bad = tuple(field for field, text in shown.items() if redact(text) != text)
    if bad:
        raise ConfigurationError(
            f"a job's settings would show a secret: {', '.join(bad)}",
            fields=bad,
            hint="name the table group otherwise; settings hold references such as env:NAME",
        )


def settings_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings' canonical JSON (row E7), without the name a clash may change."""
    compared = {key: value for key, value in settings.items() if key != "name"}
    text = json.dumps(compared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
