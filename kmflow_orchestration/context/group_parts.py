"""What one group has: its stores, tables and jobs, opened at first use and closed together."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.config.group_config import GroupConfig

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kmflow_orchestration.context.process import ProcessContext
    from kmflow_orchestration.databricks_client.connect import ClientCache
    from kmflow_orchestration.doctor.patient import Patient
    from kmflow_orchestration.intake.volume_landing import VolumeLanding
    from kmflow_orchestration.lakehouse_sql.group_engines import OpenEngine
    from kmflow_orchestration.lakehouse_sql.sessions import GroupSession
    from kmflow_orchestration.operations.check_connection import ConnectionCheck
    from kmflow_orchestration.operations.health import KeptHealth
    from kmflow_orchestration.operations.outbox import Outbox
    from kmflow_orchestration.runs.job_runner import JobRunner
    from kmflow_orchestration.storage.delta_store import DeltaStore
    from kmflow_orchestration.storage.evidence_stores import EvidenceStores
    from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
    from kmflow_orchestration.storage.local_store import LocalStore
    from kmflow_orchestration.storage.scratch import ScratchFolder
    from kmflow_orchestration.storage.table_care import TableCare


class GroupParts:
    """Stores, tables, jobs and clients of one group, each opened when it is first asked for."""

    def __init__(self, process: ProcessContext, config: GroupConfig) -> None:
        self._process = process
        self.config = config
        self.id = config.group_id

    @property
    def store(self) -> StorageBackend:
        """Where new evidence goes."""
        return self.stores.active

    @cached_property
    def stores(self) -> EvidenceStores:
        """Where evidence may lie: each item is in the backend it was stored in."""
        return self._open_stores(self._process.clients)

    @cached_property
    def brief_stores(self) -> EvidenceStores:
        """The same for a look whether they are there: nobody waits for them long."""
        return self._open_stores(self._process.connections.brief_clients)

    @cached_property
    def kept_health(self) -> KeptHealth:
        """The last look at how the group's services are."""
        from kmflow_orchestration.operations.health import KeptHealth

        return KeptHealth(self._process.clock)

    def _open_stores(self, clients: ClientCache) -> EvidenceStores:
        from kmflow_orchestration.storage.choose import open_stores

        process = self._process
        return open_stores(
            process.settings,
            self.config,
            clients=clients,
            clock=process.clock,
            copy_of=lambda backend, original: process.register.mirrors.copy_of(
                self.id, backend, original
            ),
        )

    @cached_property
    def lakehouse(self) -> Lakehouse:
        from kmflow_orchestration.storage.choose import open_lakehouse

        return open_lakehouse(
            self._process.settings,
            self.config,
            clients=self._process.clients,
            clock=self._process.clock,
        )

    @cached_property
    def table_care(self) -> TableCare:
        """Compaction, old files and versions of the group's tables."""
        from kmflow_orchestration.storage.choose import open_table_care

        return open_table_care(
            self._process.settings,
            self.config,
            clients=self._process.clients,
            clock=self._process.clock,
        )

    @cached_property
    def outbox(self) -> Outbox:
        """What operations on outputs of this group's tasks need."""
        from kmflow_orchestration.operations.outbox import Outbox
        from kmflow_orchestration.storage.choose import open_outputs
        from kmflow_orchestration.storage.upload_spool import UploadSpool

        process = self._process
        return Outbox(
            config=self.config,
            store=open_outputs(
                process.settings, self.config, clients=process.clients, clock=process.clock
            ),
            files=process.output_files,
            failures=process.upload_failures,
            spool=UploadSpool(process.settings.upload_spool_root(self.id)),
            clock=process.clock,
            neighbours=lambda: process.group_configs.all_active(include_disabled=True),
            actor=process.actor,
        )

    @cached_property
    def jobs(self) -> JobRunner:
        """Where this group's profiling jobs run."""
        from kmflow_orchestration.runs.choose import open_jobs

        return open_jobs(
            self._process.settings,
            self.config,
            clients=self._process.clients,
            table_groups=self._process.table_groups,
            clock=self._process.clock,
        )

    def open_engine(self, metadata: Any = None) -> OpenEngine:
        """The group's SQLAlchemy engine, with the choice that led to it.

        Raises:
            MissingDependency: Databricks is on and its driver not installed.
            ConfigurationError: naming what is missing in the group's settings.
            AccessRefused, RemoteFault: from a workspace that was tried, where a fallback is set.
        """
        return self._process.group_engines.get(self.config, metadata)

    def session_scope(self) -> AbstractContextManager[GroupSession]:
        """A session on the group's engine."""
        from kmflow_orchestration.lakehouse_sql.sessions import group_session

        return group_session(self.open_engine().engine, self.id)

    def check_connection(self) -> ConnectionCheck:
        """Whether the group's workspace, or its folders, can be used."""
        return self._process.check_connection(self.config)

    @property
    def patient(self) -> Patient:
        """The group as the doctor looks at it, over a client of the doctor's own."""
        from kmflow_orchestration.databricks_client.connect import connect
        from kmflow_orchestration.databricks_client.retries import RetryPolicy
        from kmflow_orchestration.doctor.patient import Patient, Ways
        from kmflow_orchestration.storage.choose import evidence_folder

        process, settings = self._process, self._process.settings
        rules = process.connections.rules
        ways = Ways(
            connect=lambda: connect(
                self.config,
                clock=process.clock,
                http_timeout_s=30.0,
                retry_policy=RetryPolicy(attempts=3),
                rules=rules,
            ),
            tls_context=rules.tls_context,
            store=lambda: self.store,
            lakehouse=lambda: self.lakehouse,
            ledger=lambda: process.ledger,
            register=lambda: process.register,
            datasets=lambda: process.datasets,
            failures=lambda: process.upload_failures,
        )
        return Patient(
            self.config,
            ways,
            clock=process.clock,
            backend=settings.storage_backend,
            is_local=settings.tables_are_local,
            landing_root=self.landing_root,
            evidence_root=evidence_folder(settings, self.config),
        )

    @property
    def landing_root(self) -> Path:
        """The group's landing folder, where it is one of this machine."""
        return Path(self.config.landing_path or self._process.settings.landing_root(self.id))

    def landing(self, *, briefly: bool = False) -> Path | VolumeLanding:
        """Where the group's evidence is dropped, opened anew: a folder, or a Volume's directory.

        `briefly` is for a look that must not wait for a workspace that is away.
        """
        volume = self.config.landing_volume
        if volume is None:
            return self.landing_root
        from kmflow_orchestration.databricks_client.files import VolumeFiles
        from kmflow_orchestration.intake.volume_landing import VolumeLanding

        process = self._process
        clients = process.connections.brief_clients if briefly else process.clients
        files = VolumeFiles(clients.get(self.config))
        return VolumeLanding(volume, files, scratch=lambda: self._scratch.path)

    @cached_property
    def _scratch(self) -> ScratchFolder:
        """Scratch folder of this process for this group, removed at the end."""
        from kmflow_orchestration.storage.scratch import ScratchFolder

        return ScratchFolder(self._process.settings.home / "work" / self.id)

    @cached_property
    def _mirror_lakehouse(self) -> Lakehouse:
        """The tables that lie where the mirror does."""
        from kmflow_orchestration.storage.choose import (
            open_local_lakehouse,
            open_warehouse_lakehouse,
        )

        process = self._process
        if process.settings.tables_are_local:
            return open_warehouse_lakehouse(
                self.config, clients=process.clients, clock=process.clock
            )
        return open_local_lakehouse(process.settings, self.config, clock=process.clock)

    def local_store(self) -> LocalStore | DeltaStore:
        """The group's store on this machine, whatever this process works on."""
        from kmflow_orchestration.storage.choose import open_local_store

        return open_local_store(self._process.settings, self.config, clock=self._process.clock)

    def close(self) -> None:
        """Close what was opened and remove scratch files."""
        if "lakehouse" in self.__dict__:
            self.lakehouse.close()
        if "_mirror_lakehouse" in self.__dict__:
            self._mirror_lakehouse.close()
        if "_scratch" in self.__dict__:
            self._scratch.close()
