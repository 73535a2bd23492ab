"""What operations on one group need, made of the process's parts on first use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import TableGroupId, TableName

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kmflow_orchestration.context.process import Context
    from kmflow_orchestration.lakehouse_sql.group_engines import OpenEngine
    from kmflow_orchestration.lakehouse_sql.sessions import GroupSession
    from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun
    from kmflow_orchestration.operations.check_connection import ConnectionCheck
    from kmflow_orchestration.operations.dataset_writing import WrittenTable
    from kmflow_orchestration.operations.outbox import Outbox
    from kmflow_orchestration.runs.job_runner import JobRunner
    from kmflow_orchestration.runs.submission import LaunchOptions
    from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
    from kmflow_orchestration.storage.scratch import ScratchFolder


class GroupContext:
    """What operations on one group need; nothing in it can reach another group."""

    def __init__(self, context: Context, config: GroupConfig) -> None:
        self._context = context
        self.config = config
        self.id = config.group_id

    @cached_property
    def store(self) -> StorageBackend:
        from kmflow_orchestration.storage.choose import open_storage

        return open_storage(
            self._context.settings,
            self.config,
            clients=self._context.clients,
            clock=self._context.clock,
        )

    @cached_property
    def lakehouse(self) -> Lakehouse:
        from kmflow_orchestration.storage.choose import open_lakehouse

        return open_lakehouse(
            self._context.settings,
            self.config,
            clients=self._context.clients,
            clock=self._context.clock,
        )

    @cached_property
    def outbox(self) -> Outbox:
        """What operations on outputs of this group's tasks need."""
        from kmflow_orchestration.operations.outbox import Outbox
        from kmflow_orchestration.storage.choose import open_outputs
        from kmflow_orchestration.storage.upload_spool import UploadSpool

        context = self._context
        return Outbox(
            config=self.config,
            store=open_outputs(
                context.settings, self.config, clients=context.clients, clock=context.clock
            ),
            files=context.output_files,
            failures=context.upload_failures,
            spool=UploadSpool(context.settings.upload_spool_root(self.id)),
            clock=context.clock,
            neighbours=lambda: context.group_configs.all_active(include_disabled=True),
            on_uploaded=context.note_upload,
        )

    @cached_property
    def jobs(self) -> JobRunner:
        """Where this group's profiling jobs run."""
        from kmflow_orchestration.runs.choose import open_jobs

        return open_jobs(
            self._context.settings,
            self.config,
            clients=self._context.clients,
            table_groups=self._context.table_groups,
            clock=self._context.clock,
        )

    def open_engine(self, metadata: Any = None) -> OpenEngine:
        """The group's SQLAlchemy engine, with the choice that led to it.

        Raises:
            MissingDependency: Databricks is on and its driver not installed.
            ConfigurationError: naming what is missing in the group's settings.
            AccessRefused, RemoteFault: from a workspace that was tried, where a fallback is set.
        """
        return self._context.group_engines.get(self.config, metadata)

    def session_scope(self) -> AbstractContextManager[GroupSession]:
        """A session on the group's engine."""
        from kmflow_orchestration.lakehouse_sql.sessions import group_session

        return group_session(self.open_engine().engine, self.id)

    def check_connection(self) -> ConnectionCheck:
        """Whether the group's workspace, or its folders, can be used."""
        return self._context.check_connection(self.config)

    @property
    def landing_root(self) -> Path:
        """The group's landing folder."""
        if self.config.landing_path:
            return Path(self.config.landing_path)
        return self._context.settings.landing_root(self.id)

    @cached_property
    def _scratch(self) -> ScratchFolder:
        """Scratch folder of this process for this group, removed at the end."""
        from kmflow_orchestration.storage.scratch import ScratchFolder

        return ScratchFolder(self._context.settings.home / "work" / self.id)

    def storing(self) -> dict[str, Any]:
        """Arguments of `store_batch` besides group and day."""
        from kmflow_orchestration.intake.claims import this_process

        settings = self._context.settings
        return {
            "ledger": self._context.ledger,
            "store": self.store,
            "landing_root": self.landing_root,
            "clock": self._context.clock,
            "max_size_bytes": settings.max_upload_size_mb * 1024 * 1024,
            "workers": settings.upload_workers,
            "holder": this_process(self._context.dagster_run_id),
            "run_is_over": self._context.run_is_over,
        }

    def publishing(self) -> dict[str, Any]:
        """Arguments of the operations that write rows about items."""
        return {
            "ledger": self._context.ledger,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def reading(self) -> dict[str, Any]:
        """The same for those that also read stored bytes."""
        return {**self.publishing(), "store": self.store}

    def converting(self) -> dict[str, Any]:
        """Arguments of `publish_datasets` besides group and day."""
        return {
            **self.reading(),
            "registry": self._context.datasets,
            "workers": self._context.settings.conversion_workers,
            "work_dir": self._scratch.path,
            "on_written": self._note_changed_tables,
        }

    def _note_changed_tables(self, batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
        from kmflow_orchestration.operations.changed_tables import note_changed_tables

        note_changed_tables(
            self.id,
            batch_id,
            tables,
            table_groups=self._context.table_groups,
            at=self._context.clock.now(),
            cron=self._context.settings.profile_cron,
        )

    def profiling(self) -> dict[str, Any]:
        """Arguments of `start_profile` besides group and table group."""
        return {
            "runs": self._context.profile_runs,
            "table_groups": self._context.table_groups,
            "jobs": self.jobs,
            "lakehouse": self.lakehouse,
            "config": self.config,
            "callback": self._context.callback,
            "clock": self._context.clock,
            "options": self._launch_options,
        }

    @property
    def _launch_options(self) -> LaunchOptions:
        from kmflow_orchestration.runs.submission import LaunchOptions

        first = timedelta(seconds=self._context.settings.profile_first_poll_s)
        alone = min(first, timedelta(minutes=1))
        return LaunchOptions(first_poll=first, first_poll_without_callback=alone)

    def judging(self) -> dict[str, Any]:
        """Arguments of `judge_again` besides group and run."""
        return {
            "findings": self._context.findings,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def stored_completion(self, run: ProfileRun) -> Completion | None:
        """What a run left in the lakehouse, for polling; None when nothing is there."""
        from kmflow_orchestration.runs.stored_results import stored_completion

        return stored_completion(run, lakehouse=self.lakehouse, namespace=self.config.namespace)

    def refused(self, day: date, *, stored: bool) -> list[str]:
        """Quarantined files of a day as `path: code`: before storing, or those that are stored."""
        found = self._context.ledger.quarantined(self.id, day)
        return [f"{one.path}: {one.code}" for one in found if bool(one.item_id) is stored]

    def profile_run(self, profile_run_id: str) -> ProfileRun:
        """One of this group's profile runs. Raises UnknownRun."""
        return self._context.profile_runs.get(self.id, profile_run_id)

    def profile_materialized(self, run: ProfileRun) -> None:
        """Note that a finished run was taken over by Dagster."""
        at = self._context.clock.now()
        self._context.profile_runs.materialized(self.id, run.profile_run_id, at=at)

    def latest_profile_run(self, table_group: TableGroupId) -> ProfileRun | None:
        """The newest completed profile run of a table group."""
        return self._context.profile_runs.latest_completed(self.id, table_group)

    def score_trend(self, table_group: TableGroupId) -> list[tuple[str, float]]:
        """Scores of the last completed runs with their times, oldest first."""
        runs = self._context.profile_runs.latest(self.id, table_group=table_group)
        return [
            (iso(run.completed_at)[:16], run.dq_score_profiling)
            for run in reversed(runs)
            if run.completed_at is not None and run.dq_score_profiling is not None
        ]

    def links(self, table: TableName | None = None) -> Mapping[str, str]:
        """Addresses of the group's Volume and of a table, empty for a local group."""
        if not self.config.workspace_url or self.store.name != "databricks":
            return {}
        url = f"{self.config.workspace_url.rstrip('/')}/explore/data"
        volume = self.config.volume
        links = {"volume_link": f"{url}/volumes/{volume.catalog}/{volume.schema}/{volume.volume}"}
        if table is not None:
            links["table_link"] = f"{url}/{table.catalog}/{table.schema}/{table.name}"
        return links

    def close(self) -> None:
        """Close what was opened and remove scratch files."""
        if "lakehouse" in self.__dict__:
            self.lakehouse.close()
        if "_scratch" in self.__dict__:
            self._scratch.close()
