"""The composition root: settings become clients, stores and repositories, lazily, in one place.

Skins ask it for what an operation needs; operations never see it. A test replaces a part by
passing another clock or other settings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kmflow_orchestration.clock import Clock, SystemClock, iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.metadata.engine import migrate, open_engine, open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId, TableGroupId, TableName, group_id
from kmflow_orchestration.redacted_process import install as install_redaction

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kmflow_orchestration.access.caller import Caller
    from kmflow_orchestration.credentials.own_connection import OwnConnection
    from kmflow_orchestration.databricks_client.connect import ClientCache
    from kmflow_orchestration.databricks_client.connections import Connections
    from kmflow_orchestration.doctor.patient import Patient
    from kmflow_orchestration.intake.claims import RunIsOver
    from kmflow_orchestration.intake.evidence_register import EvidenceRegister
    from kmflow_orchestration.intake.file_history import FileHistory
    from kmflow_orchestration.intake.ledger import Ledger
    from kmflow_orchestration.intake.moved_evidence import MovedEvidence
    from kmflow_orchestration.lakehouse_sql.group_engines import GroupEngines, OpenEngine
    from kmflow_orchestration.lakehouse_sql.sessions import GroupSession
    from kmflow_orchestration.metadata.api_tokens import ApiTokens
    from kmflow_orchestration.metadata.config_audit import ConfigAudit
    from kmflow_orchestration.metadata.dataset_tables import DatasetTables
    from kmflow_orchestration.metadata.intake_records import Step
    from kmflow_orchestration.metadata.output_files import OutputFiles
    from kmflow_orchestration.metadata.profile_completions import ProfileFindings
    from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun
    from kmflow_orchestration.metadata.profile_runs import ProfileRuns
    from kmflow_orchestration.metadata.stage_metrics import StageMetric
    from kmflow_orchestration.metadata.table_groups import TableGroups
    from kmflow_orchestration.metadata.upload_failures import UploadFailures
    from kmflow_orchestration.operations.check_connection import ConnectionCheck
    from kmflow_orchestration.operations.dataset_writing import WrittenTable
    from kmflow_orchestration.operations.health import Health, KeptHealth
    from kmflow_orchestration.operations.outbox import Outbox
    from kmflow_orchestration.operations.register_tables import Registered
    from kmflow_orchestration.runs.callbacks import CallbackSettings
    from kmflow_orchestration.runs.job_runner import JobRunner
    from kmflow_orchestration.runs.reconciliation import PollingOptions
    from kmflow_orchestration.runs.submission import LaunchOptions
    from kmflow_orchestration.storage.delta_store import DeltaStore
    from kmflow_orchestration.storage.evidence_stores import EvidenceStores
    from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
    from kmflow_orchestration.storage.local_store import LocalStore
    from kmflow_orchestration.storage.scratch import ScratchFolder
    from kmflow_orchestration.storage.table_care import TableCare
    from kmflow_orchestration.tables.catalog_entries import CatalogEntry


class Context:
    """Everything one process needs, made on first use and closed together.

    Args:
        settings: process-wide settings.
        clock: the only source of time.
        dagster_run_id: the run that claims are held for, '' outside a run.
        run_is_over: tells whether another Dagster run has ended, to free its claims at once.
        own_connection: the process's own way to a workspace, by default the environment's.
        actor: who works here, for the audit trail; by default the run, or the process's user.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        dagster_run_id: str = "",
        run_is_over: RunIsOver | None = None,
        own_connection: OwnConnection | None = None,
        actor: str = "",
    ) -> None:
        install_redaction()
        self.settings = settings
        self.clock = clock or SystemClock()
        self.dagster_run_id = dagster_run_id
        self.run_is_over = run_is_over
        self._own_connection = own_connection
        self._actor = actor
        self._groups: dict[tuple[str, int], GroupContext] = {}
        self._lock = threading.Lock()

    @cached_property
    def _engine(self) -> Any:
        reference = self.settings.database_password
        password = None if reference is None else reference.resolve()
        return open_engine(self.settings.control_database_url, password=password)

    @cached_property
    def _sessions(self) -> Any:
        return open_sessions(self._engine)

    def migrate(self) -> str:
        """Bring the control database to this version's schema; its revision."""
        return migrate(self._engine)

    def create_database(self) -> None:
        """Make the control database itself where its server has none of that name."""
        from kmflow_orchestration.metadata.migration import create

        create(self._engine)

    def has_tables(self) -> bool:
        """Whether the control database was ever migrated."""
        from kmflow_orchestration.metadata.migration import has_tables

        return has_tables(self._engine)

    def check_schema(self) -> None:
        """Raises ConfigurationError for a control database of another version."""
        from kmflow_orchestration.metadata.migration import check_schema

        check_schema(self._engine)

    @cached_property
    def group_configs(self) -> GroupConfigs:
        """Saved settings, and the environment's for the group it was given to (design AD14)."""
        if not (self.settings.default_group and self.settings.use_databricks):
            return GroupConfigs(self._sessions, self.clock)
        from kmflow_orchestration.operations.default_group import ConfigsWithDefault

        default = group_id(self.settings.default_group)
        return ConfigsWithDefault(
            self._sessions,
            self.clock,
            default=default,
            read=lambda: self.connections.own_group(default),
        )

    @cached_property
    def connections(self) -> Connections:
        """How this process reaches workspaces: sign-in, secrets, rules, clients."""
        from kmflow_orchestration.databricks_client.connections import Connections
        from kmflow_orchestration.operations.secret_reads import SecretReads

        # The address without its password.
        reads = SecretReads(self.config_audit, self.actor, str(self._engine.url))
        return Connections(
            self.settings, self.clock, self._own_connection, on_secret_read=reads.note
        )

    @cached_property
    def config_audit(self) -> ConfigAudit:
        from kmflow_orchestration.metadata.config_audit import ConfigAudit

        return ConfigAudit(self._sessions, self.clock)

    @property
    def actor(self) -> str:
        """Who works here, as the audit trail names them."""
        from kmflow_orchestration.access.process_user import operator_name

        if not self._actor:
            run = self.dagster_run_id
            self._actor = f"Dagster run {run}" if run else operator_name()
        return self._actor

    @cached_property
    def api_tokens(self) -> ApiTokens:
        from kmflow_orchestration.metadata.api_tokens import ApiTokens

        return ApiTokens(self._sessions, self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        from kmflow_orchestration.intake.ledger import Ledger

        return Ledger(self._sessions, self.clock, quiet_period_s=self.settings.quiet_period_s)

    @cached_property
    def register(self) -> EvidenceRegister:
        """Evidence items one by one."""
        from kmflow_orchestration.intake.evidence_register import EvidenceRegister

        return EvidenceRegister(self._sessions, self.clock)

    @cached_property
    def moved_evidence(self) -> MovedEvidence:
        """Evidence items whose bytes go to another store."""
        from kmflow_orchestration.intake.moved_evidence import MovedEvidence

        return MovedEvidence(self._sessions, self.clock)

    @cached_property
    def file_history(self) -> FileHistory:
        """What became of landing files, version by version."""
        from kmflow_orchestration.intake.file_history import FileHistory

        return FileHistory(self._sessions, self.clock)

    @cached_property
    def datasets(self) -> DatasetTables:
        from kmflow_orchestration.metadata.dataset_tables import DatasetTables

        return DatasetTables(self._sessions)

    @cached_property
    def table_groups(self) -> TableGroups:
        from kmflow_orchestration.metadata.table_groups import TableGroups

        return TableGroups(self._sessions)

    @cached_property
    def profile_runs(self) -> ProfileRuns:
        from kmflow_orchestration.metadata.profile_runs import ProfileRuns

        return ProfileRuns(self._sessions)

    @cached_property
    def findings(self) -> ProfileFindings:
        from kmflow_orchestration.metadata.profile_completions import ProfileFindings

        return ProfileFindings(self._sessions)

    @cached_property
    def output_files(self) -> OutputFiles:
        from kmflow_orchestration.metadata.output_files import OutputFiles

        return OutputFiles(self._sessions)

    @cached_property
    def upload_failures(self) -> UploadFailures:
        from kmflow_orchestration.metadata.upload_failures import UploadFailures

        return UploadFailures(self._sessions)

    @property
    def clients(self) -> ClientCache:
        return self.connections.clients

    @cached_property
    def group_engines(self) -> GroupEngines:
        """SQL engines of all groups, for people's own code (design AD4)."""
        from kmflow_orchestration.lakehouse_sql.engines import EngineParts
        from kmflow_orchestration.lakehouse_sql.group_engines import GroupEngines

        rules = self.connections.rules
        parts = EngineParts(
            client=self.clients.get,
            clock=self.clock,
            sqlite_path=self.settings.models_file,
            ca_file=rules.ca_file,
            verify_tls=rules.verify_tls,
        )
        return GroupEngines(
            parts,
            use_databricks=self.settings.use_databricks,
            fallback=self.settings.databricks_fallback,
        )

    def get_engine(self, group: GroupId, metadata: Any = None) -> Any:
        """A group's SQLAlchemy engine: Databricks SQL, or SQLite while `USE_DATABRICKS` is off.

        On SQLite the tables of `metadata` are made. Raises as `GroupContext.open_engine`.
        """
        return self.group(group).open_engine(metadata).engine

    def session_scope(self, group: GroupId) -> AbstractContextManager[GroupSession]:
        """A session of a group, committed at the end, rolled back on an error, closed always."""
        return self.group(group).session_scope()

    @cached_property
    def callback(self) -> CallbackSettings:
        """Where jobs report back. Raises CredentialError when the key cannot be read."""
        from kmflow_orchestration.runs.callback_tokens import CallbackKeys
        from kmflow_orchestration.runs.callbacks import CallbackSettings

        reference, required = self.settings.callback_key, self.settings.callback_signature_required
        keys = None
        if reference is not None:
            secret = reference.resolve(self.connections.secrets)
            keys = CallbackKeys.of(secret, signature_required=required)
        return CallbackSettings(self.settings.callback_base_url, keys)

    @property
    def polling(self) -> PollingOptions:
        """How outstanding profile runs are looked at."""
        from kmflow_orchestration.runs.reconciliation import BACKOFF, PollingOptions

        longest = timedelta(seconds=self.settings.profile_longest_poll_s)
        return PollingOptions(backoff=tuple(min(one, longest) for one in BACKOFF))

    def group(self, group: GroupId) -> GroupContext:
        """The context of one group, made anew when its configuration changed.

        Raises:
            UnknownGroup: there is no such group, or it is disabled.
        """
        config = self.group_configs.active(group)
        key = (config.group_id, config.version)
        with self._lock:
            if key not in self._groups:
                self._groups[key] = GroupContext(self, config)
            return self._groups[key]

    def health(self, group: GroupId, caller: Caller) -> Health:
        """How a group's services are. Raises CallerRefused, UnknownGroup."""
        from kmflow_orchestration.operations.health import health_detail

        own = self.group(group)
        return health_detail(
            group,
            caller=caller,
            register=self.register,
            stores=own.brief_stores,
            clock=self.clock,
            kept=own.kept_health,
        )

    def check_connection(
        self, config: GroupConfig, *, timeout_s: float = 30.0, attempts: int = 3
    ) -> ConnectionCheck:
        """Try a group's workspace step by step, over a client of the check's own.

        With local storage a group without a workspace has its folders tried instead.
        """
        from kmflow_orchestration.databricks_client.connect import connect
        from kmflow_orchestration.databricks_client.retries import RetryPolicy
        from kmflow_orchestration.operations.check_connection import check_connection, check_folders
        from kmflow_orchestration.storage.choose import evidence_folder

        if self.settings.tables_are_local and not config.workspace_url:
            landing = Path(config.landing_path or self.settings.landing_root(config.group_id))
            evidence = evidence_folder(self.settings, config)
            return check_folders(config, landing=landing, evidence=evidence, clock=self.clock)
        rules = self.connections.rules
        opening = partial(
            connect,
            clock=self.clock,
            http_timeout_s=timeout_s,
            retry_policy=RetryPolicy(attempts=attempts),
            rules=rules,
        )
        return check_connection(
            config,
            connect=opening,
            clock=self.clock,
            timeout_s=timeout_s,
            tls_context=rules.tls_context,
        )

    def close(self) -> None:
        """Close everything that was opened; a second call does nothing."""
        if "group_engines" in self.__dict__:
            self.group_engines.close()
        for group in self._groups.values():
            group.close()
        self._groups.clear()
        if "connections" in self.__dict__:
            self.connections.close()
        if "_engine" in self.__dict__:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GroupContext:
    """What operations on one group need; nothing in it can reach another group."""

    def __init__(self, context: Context, config: GroupConfig) -> None:
        self._context = context
        self.config = config
        self.id = config.group_id

    @property
    def store(self) -> StorageBackend:
        """Where new evidence goes."""
        return self.stores.active

    @cached_property
    def stores(self) -> EvidenceStores:
        """Where evidence may lie: each item is in the backend it was stored in."""
        return self._open_stores(self._context.clients)

    @cached_property
    def brief_stores(self) -> EvidenceStores:
        """The same for a look whether they are there: nobody waits for them long."""
        return self._open_stores(self._context.connections.brief_clients)

    @cached_property
    def kept_health(self) -> KeptHealth:
        """The last look at how the group's services are."""
        from kmflow_orchestration.operations.health import KeptHealth

        return KeptHealth(self._context.clock)

    def _open_stores(self, clients: ClientCache) -> EvidenceStores:
        from kmflow_orchestration.storage.choose import open_stores

        context = self._context
        return open_stores(context.settings, self.config, clients=clients, clock=context.clock)

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
    def table_care(self) -> TableCare:
        """Compaction, old files and versions of the group's tables."""
        from kmflow_orchestration.storage.choose import open_table_care

        return open_table_care(
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
            actor=context.actor,
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
    def patient(self) -> Patient:
        """The group as the doctor looks at it, over a client of the doctor's own."""
        from kmflow_orchestration.databricks_client.connect import connect
        from kmflow_orchestration.databricks_client.retries import RetryPolicy
        from kmflow_orchestration.doctor.patient import Patient, Ways
        from kmflow_orchestration.storage.choose import evidence_folder

        context, settings = self._context, self._context.settings
        rules = context.connections.rules
        ways = Ways(
            connect=lambda: connect(
                self.config,
                clock=context.clock,
                http_timeout_s=30.0,
                retry_policy=RetryPolicy(attempts=3),
                rules=rules,
            ),
            tls_context=rules.tls_context,
            store=lambda: self.store,
            lakehouse=lambda: self.lakehouse,
            ledger=lambda: context.ledger,
            datasets=lambda: context.datasets,
            failures=lambda: context.upload_failures,
        )
        return Patient(
            self.config,
            ways,
            clock=context.clock,
            backend=settings.storage_backend,
            is_local=settings.tables_are_local,
            landing_root=self.landing_root,
            evidence_root=evidence_folder(settings, self.config),
        )

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
        return {**self.publishing(), "stores": self.stores}

    def recording(self) -> dict[str, Any]:
        """Arguments of `publish_bronze` besides group and day."""
        return {**self.reading(), "register": self._context.register}

    def reconciling(self) -> dict[str, Any]:
        """Arguments of the operations that compare stored files with their rows, besides group."""
        settings = self._context.settings
        return {
            **self.publishing(),
            "store": self.store,
            "verify": settings.reconcile_verify,
            "workers": settings.upload_workers,
        }

    def metadata_state(self) -> dict[str, Any]:
        """Whether rows of stored evidence are still to come, as steps report it (row B7)."""
        from kmflow_orchestration.operations.metadata_outbox import pending_rows

        pending = pending_rows(self.id, ledger=self._context.ledger)
        return {
            "metadata_row": "pending" if pending else "written",
            "metadata_pending": pending,
        }

    def write_required_rows(self, day: date) -> None:
        """Write a day's metadata rows now, where a file counts as stored only with its row.

        Raises:
            AccessRefused, RemoteFault: they wait; the files stay stored.
        """
        if self._context.settings.metadata == "required":
            from kmflow_orchestration.operations.metadata_outbox import write_pending_rows

            write_pending_rows(self.id, day, **self.publishing())

    def register_tables(self, entries: Sequence[CatalogEntry]) -> Registered:
        """Have catalog entries' tables in the group's layers. Raises ConfigurationError."""
        from kmflow_orchestration.operations.register_tables import register_tables

        return register_tables(
            self._context.clients.get(self.config),
            entries,
            self.config.catalog,
            self.config.schema,
            self.config.warehouse_id,
            clock=self._context.clock,
        )

    def explaining(self) -> dict[str, Any]:
        """Arguments of `explain_file` besides group, what is asked, and caller."""
        from kmflow_orchestration.intake.outlook import Landing

        settings = self._context.settings
        landing = Landing(
            self.landing_root, settings.quiet_period_s, settings.max_upload_size_mb * 1024 * 1024
        )
        return {
            "history": self._context.file_history,
            "registry": self._context.datasets,
            "landing": landing,
            "clock": self._context.clock,
        }

    def deleting(self) -> dict[str, Any]:
        """Arguments of `delete_evidence` besides group, item and caller."""
        return {
            "register": self._context.register,
            "stores": self.stores,
            "lakehouse": self.lakehouse,
            "config": self.config,
        }

    def planning_rollback(self) -> dict[str, Any]:
        """Arguments of `plan_rollback` besides group and caller."""
        return {
            "register": self._context.register,
            "stores": self.brief_stores,
            "config": self.config,
            "target_dir": self._context.settings.evidence_root(self.id),
            "clock": self._context.clock,
        }

    def migrating(self) -> dict[str, Any]:
        """Arguments of moving evidence to the group's Volume, or of comparing with it.

        Raises as `open_volume_store`.
        """
        from kmflow_orchestration.storage.choose import open_volume_store, open_warehouse_lakehouse

        context = self._context
        opening: dict[str, Any] = {"clients": context.clients, "clock": context.clock}
        return {
            "store": open_volume_store(self.config, **opening),
            "lakehouse": open_warehouse_lakehouse(self.config, **opening),
            "config": self.config,
        }

    def local_store(self) -> LocalStore | DeltaStore:
        """The group's store on this machine, whatever this process works on."""
        from kmflow_orchestration.storage.choose import open_local_store

        return open_local_store(self._context.settings, self.config, clock=self._context.clock)

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

    def stage_metrics(self, day: date, stage: Step) -> list[StageMetric]:
        """How a stage went with each batch of a day."""
        return self._context.ledger.stages.all(self.id, day=day, stage=stage)

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
