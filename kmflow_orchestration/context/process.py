"""The process's part of the composition root: settings become clients and repositories, lazily."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.metadata.engine import migrate, open_engine, open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import group_id
from kmflow_orchestration.redacted_process import install as install_redaction

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from kmflow_orchestration.credentials.own_connection import OwnConnection
    from kmflow_orchestration.databricks_client.connect import ClientCache
    from kmflow_orchestration.databricks_client.connections import Connections
    from kmflow_orchestration.intake.claims import RunIsOver
    from kmflow_orchestration.intake.corrections import CorrectionStore
    from kmflow_orchestration.intake.evidence_register import EvidenceRegister
    from kmflow_orchestration.intake.file_history import FileHistory
    from kmflow_orchestration.intake.ledger import Ledger
    from kmflow_orchestration.intake.moved_evidence import MovedEvidence
    from kmflow_orchestration.intake.quarantine import QuarantineStore
    from kmflow_orchestration.lakehouse_sql.group_engines import GroupEngines
    from kmflow_orchestration.metadata.api_tokens import ApiTokens
    from kmflow_orchestration.metadata.config_audit import ConfigAudit
    from kmflow_orchestration.metadata.dataset_tables import DatasetTables
    from kmflow_orchestration.metadata.output_files import OutputFiles
    from kmflow_orchestration.metadata.profile_completions import ProfileFindings
    from kmflow_orchestration.metadata.profile_runs import ProfileRuns
    from kmflow_orchestration.metadata.table_groups import TableGroups
    from kmflow_orchestration.metadata.upload_failures import UploadFailures
    from kmflow_orchestration.operations.check_connection import ConnectionCheck
    from kmflow_orchestration.runs.callbacks import CallbackSettings
    from kmflow_orchestration.runs.reconciliation import PollingOptions


class ProcessContext:
    """What one process has, whatever the group; made on first use and closed together.

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
        self._opened: list[Connections] = []

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
        return self.connections_as(None)

    def connections_as(self, own: OwnConnection | None) -> Connections:
        """New ones, for a sign-in that was given or the process's; closed with all the rest."""
        from kmflow_orchestration.databricks_client.connections import Connections
        from kmflow_orchestration.operations.secret_reads import SecretReads

        # The address without its password.
        reads = SecretReads(self.config_audit, self.actor, str(self._engine.url))
        made = Connections(
            self.settings, self.clock, own or self._own_connection, on_secret_read=reads.note
        )
        self._opened.append(made)
        return made

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
    def corrections(self) -> CorrectionStore:
        """What people corrected about how files become tables."""
        from kmflow_orchestration.intake.corrections import CorrectionStore

        return CorrectionStore(self._sessions, self.clock)

    @cached_property
    def quarantine(self) -> QuarantineStore:
        """What was kept back, and what people decide about it."""
        from kmflow_orchestration.intake.quarantine import QuarantineStore

        return QuarantineStore(self._sessions, self.clock)

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
        for connections in self._opened:
            connections.close()
        if "_engine" in self.__dict__:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
