"""Where a group's profiling jobs run, by the one setting that decides about storage (row B2)."""

from __future__ import annotations

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.jobs import JobsClient
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.runs.databricks_jobs import DatabricksJobRunner
from kmflow_orchestration.runs.job_registry import JobRegistry, WheelUpload
from kmflow_orchestration.runs.job_runner import JobRunner
from kmflow_orchestration.runs.job_settings import JobOptions


def open_jobs(
    settings: Settings,
    config: GroupConfig,
    *,
    clients: ClientCache,
    table_groups: TableGroups,
    clock: Clock,
) -> JobRunner:
    """The group's job runner; nothing is sent, made or started yet.

    Raises:
        ConfigurationError: names every setting the group lacks for `databricks`.
        CredentialError: its token cannot be resolved.
    """
    if settings.tables_are_local:
        # Brings the embedded engine, which a process on Databricks never needs.
        from kmflow_orchestration.runs.local_jobs import LocalJobRunner

        return LocalJobRunner(
            runs_root=settings.home.resolve() / "runs" / config.group_id,
            lakehouse_root=settings.lakehouse_root(config.group_id),
            namespace=config.namespace,
        )
    calls = clients.get(config)
    jobs = JobsClient(calls)
    wheel = WheelUpload(VolumeFiles(calls), config.volume)
    options = JobOptions(retry_pause_s=settings.profile_retry_pause_s)
    registry = JobRegistry(
        jobs=jobs, wheel=wheel, table_groups=table_groups, clock=clock, options=options
    )
    return DatabricksJobRunner(jobs, registry)
