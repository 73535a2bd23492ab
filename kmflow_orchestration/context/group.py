"""A group's part of the composition root: what operations on it need, and nothing of another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.clock import iso
from kmflow_orchestration.context.group_quarantine import GroupQuarantine
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import TableGroupId, TableName
from kmflow_orchestration.operations.undecided_columns import UndecidedColumn, undecided_of_tables

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from kmflow_orchestration.metadata.intake_records import Step
    from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun
    from kmflow_orchestration.metadata.stage_metrics import StageMetric
    from kmflow_orchestration.operations.dataset_writing import WrittenTable
    from kmflow_orchestration.operations.register_tables import Registered
    from kmflow_orchestration.runs.submission import LaunchOptions
    from kmflow_orchestration.tables.catalog_entries import CatalogEntry


class GroupContext(GroupQuarantine):
    """What operations on one group need; nothing in it can reach another group."""

    def storing(self) -> dict[str, Any]:
        """Arguments of `store_batch` besides group and day."""
        from kmflow_orchestration.intake.claims import this_process

        settings = self._process.settings
        return {
            "ledger": self._process.ledger,
            "store": self.store,
            "landing_root": self.landing(),
            "clock": self._process.clock,
            "max_size_bytes": settings.max_upload_size_mb * 1024 * 1024,
            "workers": settings.upload_workers,
            "holder": this_process(self._process.dagster_run_id),
            "run_is_over": self._process.run_is_over,
            "mirror": settings.storage_mirror,
        }

    def mirroring(self) -> dict[str, Any]:
        """Arguments of `deliver_mirror` besides group; a mirror must be set."""
        settings = self._process.settings
        has_own_tables = (settings.storage_mirror == "databricks") is settings.tables_are_local
        return {
            "backend": settings.storage_mirror,
            "register": self._process.register,
            "stores": self.stores,
            "lakehouse": (lambda: self._mirror_lakehouse) if has_own_tables else None,
            "config": self.config,
            "work_dir": lambda: self._scratch.path,
            "workers": settings.upload_workers,
        }

    def deliver_mirror(self) -> dict[str, Any]:
        """Bring the mirror what it is owed, as steps report it; nothing where none is set."""
        if not self._process.settings.storage_mirror:
            return {}
        from kmflow_orchestration.operations.mirror_outbox import deliver_mirror

        found = deliver_mirror(self.id, **self.mirroring())
        owed = sum(
            use.owed
            for use in self._process.register.mirrors.uses(self.id)
            if use.backend == found.backend
        )
        return {
            "mirror": found.backend,
            "mirror_delivered": found.delivered,
            "mirror_owed": owed,
            "mirror_problem": found.problem,
        }

    def publishing(self) -> dict[str, Any]:
        """Arguments of the operations that write rows about items."""
        return {
            "ledger": self._process.ledger,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def reading(self) -> dict[str, Any]:
        """The same for those that also read stored bytes."""
        return {**self.publishing(), "stores": self.stores}

    def reading_text(self) -> dict[str, Any]:
        """Arguments of `publish_fragments` besides group and day."""
        return {**self.reading(), "corrections": self._process.corrections}

    def undecided(self, tables: Iterable[str]) -> list[UndecidedColumn]:
        """Columns of these dataset tables that stay text as they have several readings."""
        return undecided_of_tables(self.id, tables, self._process.datasets)

    def recording(self) -> dict[str, Any]:
        """Arguments of `publish_bronze` besides group and day."""
        return {**self.reading(), "register": self._process.register}

    def reconciling(self) -> dict[str, Any]:
        """Arguments of the operations that compare stored files with their rows, besides group."""
        settings = self._process.settings
        return {
            **self.publishing(),
            "store": self.store,
            "verify": settings.reconcile_verify,
            "workers": settings.upload_workers,
        }

    def metadata_state(self) -> dict[str, Any]:
        """Whether rows of stored evidence are still to come, as steps report it (row B7)."""
        pending = self._process.register.without_metadata(self.id)
        return {
            "metadata_row": "pending" if pending else "written",
            "metadata_pending": pending,
        }

    def taking_inventory(self, *, of_store: bool = False) -> dict[str, Any]:
        """Arguments of `write_inventory`: of the landing folder, or of the store on this machine.

        Raises:
            ConfigurationError: what is asked for is not on this machine.
        """
        from kmflow_orchestration.storage.choose import evidence_folder

        settings, name = self._process.settings, "landing"
        folder = self.landing_root
        if not of_store and self.config.landing_volume is not None:
            raise ConfigurationError(
                "the landing place is a Volume, which has no folder on this machine",
                fields=("landing_path",),
                hint="kmflow files why PATH tells of each of its files",
            )
        if of_store:
            if settings.storage_backend == "databricks":
                raise ConfigurationError(
                    "the store is a Volume, which has no folder on this machine",
                    fields=("of_store",),
                    hint="metadata_reconciliation compares it with its rows",
                )
            folder, name = evidence_folder(settings, self.config), "store"
        return {
            "source_dir": folder,
            "file": settings.reports_root(self.id) / f"inventory_{name}.json",
            "workers": settings.upload_workers,
        }

    def write_required_rows(self, day: date) -> None:
        """Write a day's metadata rows now, where a file counts as stored only with its row.

        Raises:
            AccessRefused, RemoteFault: they wait; the files stay stored.
        """
        if self._process.settings.metadata == "required":
            from kmflow_orchestration.operations.metadata_outbox import write_pending_rows

            write_pending_rows(self.id, day, **self.publishing())

    def register_tables(self, entries: Sequence[CatalogEntry]) -> Registered:
        """Have catalog entries' tables in the group's layers. Raises ConfigurationError."""
        from kmflow_orchestration.operations.register_tables import register_tables

        return register_tables(
            self._process.clients.get(self.config),
            entries,
            self.config.catalog,
            self.config.schema,
            self.config.warehouse_id,
            clock=self._process.clock,
        )

    def explaining(self) -> dict[str, Any]:
        """Arguments of `explain_file` besides group, what is asked, and caller."""
        from kmflow_orchestration.intake.outlook import Landing

        settings = self._process.settings
        landing = Landing(
            self.landing(briefly=True),
            settings.quiet_period_s,
            settings.max_upload_size_mb * 1024 * 1024,
        )
        return {
            "history": self._process.file_history,
            "registry": self._process.datasets,
            "corrections": self._process.corrections,
            "landing": landing,
            "clock": self._process.clock,
        }

    def tracing(self) -> dict[str, Any]:
        """Arguments of `trace_rows` besides group, table, keys and caller."""
        return {
            **self.reading(),
            "history": self._process.file_history,
            "registry": self._process.datasets,
            "workers": self._process.settings.conversion_workers,
            "work_dir": self._scratch.path,
        }

    def reading_evidence(self) -> dict[str, Any]:
        """Arguments of the operations that tell of items, besides group, item and caller."""
        return {"register": self._process.register}

    def downloading(self) -> dict[str, Any]:
        """Arguments of `open_download` besides group, item and caller."""
        return {
            **self.reading_evidence(),
            "stores": self.stores,
            "audit": self._process.config_audit,
        }

    def deleting(self) -> dict[str, Any]:
        """Arguments of `delete_evidence` besides group, item and caller."""
        return {
            "register": self._process.register,
            "stores": self.stores,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def planning_rollback(self) -> dict[str, Any]:
        """Arguments of `plan_rollback` besides group and caller."""
        return {
            "register": self._process.register,
            "stores": self.brief_stores,
            "config": self.config,
            "target_dir": self._process.settings.evidence_root(self.id),
            "clock": self._process.clock,
        }

    def migrating(self) -> dict[str, Any]:
        """Arguments of moving evidence to the group's Volume, or of comparing with it.

        Raises as `open_volume_store`.
        """
        from kmflow_orchestration.storage.choose import open_volume_store, open_warehouse_lakehouse

        process = self._process
        opening: dict[str, Any] = {"clients": process.clients, "clock": process.clock}
        return {
            "store": open_volume_store(process.settings, self.config, **opening),
            "lakehouse": open_warehouse_lakehouse(self.config, **opening),
            "config": self.config,
        }

    def converting(self) -> dict[str, Any]:
        """Arguments of `publish_datasets` besides group and day."""
        return {
            **self.reading(),
            "registry": self._process.datasets,
            "corrections": self._process.corrections,
            "workers": self._process.settings.conversion_workers,
            "work_dir": self._scratch.path,
            "on_written": self._note_changed_tables,
        }

    def comparing(self) -> dict[str, Any]:
        """Arguments of `differing_tables` besides group, tables and batches."""
        return {"registry": self._process.datasets, "lakehouse": self.lakehouse}

    def correcting(self) -> dict[str, Any]:
        """Arguments of `correct_datasets` besides group, request and caller."""
        return {
            **self.withdrawing(),
            "ledger": self._process.ledger,
            "stores": self.stores,
            "workers": self._process.settings.conversion_workers,
            "work_dir": self._scratch.path,
        }

    def withdrawing(self) -> dict[str, Any]:
        """Arguments of `withdraw_corrections` besides group, numbers and caller."""
        return {
            "corrections": self._process.corrections,
            "registry": self._process.datasets,
            "clock": self._process.clock,
        }

    def _note_changed_tables(self, batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
        from kmflow_orchestration.operations.changed_tables import note_changed_tables

        note_changed_tables(
            self.id,
            batch_id,
            tables,
            table_groups=self._process.table_groups,
            at=self._process.clock.now(),
            cron=self._process.settings.profile_cron,
        )

    def profiling(self) -> dict[str, Any]:
        """Arguments of `start_profile` besides group and table group."""
        return {
            "runs": self._process.profile_runs,
            "table_groups": self._process.table_groups,
            "jobs": self.jobs,
            "lakehouse": self.lakehouse,
            "config": self.config,
            "callback": self._process.callback,
            "clock": self._process.clock,
            "options": self._launch_options,
        }

    @property
    def _launch_options(self) -> LaunchOptions:
        from kmflow_orchestration.runs.submission import LaunchOptions

        first = timedelta(seconds=self._process.settings.profile_first_poll_s)
        alone = min(first, timedelta(minutes=1))
        return LaunchOptions(first_poll=first, first_poll_without_callback=alone)

    def judging(self) -> dict[str, Any]:
        """Arguments of `judge_again` besides group and run."""
        return {
            "findings": self._process.findings,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def stored_completion(self, run: ProfileRun) -> Completion | None:
        """What a run left in the lakehouse, for polling; None when nothing is there."""
        from kmflow_orchestration.runs.stored_results import stored_completion

        return stored_completion(run, lakehouse=self.lakehouse, namespace=self.config.namespace)

    def stage_metrics(self, day: date, stage: Step) -> list[StageMetric]:
        """How a stage went with each batch of a day."""
        return self._process.ledger.stages.all(self.id, day=day, stage=stage)

    def profile_run(self, profile_run_id: str) -> ProfileRun:
        """One of this group's profile runs. Raises UnknownRun."""
        return self._process.profile_runs.get(self.id, profile_run_id)

    def profile_materialized(self, run: ProfileRun) -> None:
        """Note that a finished run was taken over by Dagster."""
        at = self._process.clock.now()
        self._process.profile_runs.materialized(self.id, run.profile_run_id, at=at)

    def latest_profile_run(self, table_group: TableGroupId) -> ProfileRun | None:
        """The newest completed profile run of a table group."""
        return self._process.profile_runs.latest_completed(self.id, table_group)

    def score_trend(self, table_group: TableGroupId) -> list[tuple[str, float]]:
        """Scores of the last completed runs with their times, oldest first."""
        runs = self._process.profile_runs.latest(self.id, table_group=table_group)
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
