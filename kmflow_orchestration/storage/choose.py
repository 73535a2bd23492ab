"""A group's place for bytes and its place for tables, by the one setting that decides (row B2)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.upload_journal import UploadJournals
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.extras import naming_extras
from kmflow_orchestration.storage.evidence_stores import CopyOf, EvidenceStores
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
from kmflow_orchestration.storage.local_outputs import LocalOutputs
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.output_store import OutputStore
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.volume_outputs import VolumeOutputs
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.storage.warehouse_lakehouse import WarehouseLakehouse

if TYPE_CHECKING:
    from kmflow_orchestration.storage.delta_store import DeltaStore
    from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
    from kmflow_orchestration.storage.table_care import TableCare


def open_stores(
    settings: Settings,
    config: GroupConfig,
    *,
    clients: ClientCache,
    clock: Clock,
    copy_of: CopyOf | None = None,
) -> EvidenceStores:
    """The group's evidence stores, each opened when it is asked for; what `copy_of` finds in the
    active one is read there."""
    opening = partial(open_storage, settings, config, clients=clients, clock=clock)
    return EvidenceStores(settings.storage_backend, opening, copy_of=copy_of)


def open_storage(
    settings: Settings,
    config: GroupConfig,
    backend: str = "",
    *,
    clients: ClientCache,
    clock: Clock,
) -> StorageBackend:
    """The group's evidence store of a backend, by default this process's; nothing is sent yet.

    Raises:
        ConfigurationError: names every setting the group lacks for `databricks`; no such backend.
        CredentialError: its token cannot be resolved.
        MissingDependency: what `delta` needs is not installed.
    """
    wanted = backend or settings.storage_backend
    if wanted == "databricks":
        return open_volume_store(settings, config, clients=clients, clock=clock)
    if wanted not in {"local", "delta"}:
        raise ConfigurationError(f"there is no backend {wanted!r}", fields=("storage_backend",))
    return open_local_store(settings, config, wanted, clock=clock)


def open_local_store(
    settings: Settings, config: GroupConfig, backend: str = "", *, clock: Clock
) -> LocalStore | DeltaStore:
    """The group's store on this machine: `delta` where that is chosen, else `local`."""
    folder = evidence_folder(settings, config, backend)
    if (backend or settings.storage_backend) != "delta":
        return LocalStore(config.group_id, folder, clock=clock)
    # Brings deltalake, which a process on Databricks never needs.
    with naming_extras():
        from kmflow_orchestration.storage.delta_store import DeltaStore

    return DeltaStore(config.group_id, folder, clock=clock)


def open_volume_store(
    settings: Settings, config: GroupConfig, *, clients: ClientCache, clock: Clock
) -> VolumeStore:
    """The group's store in its Volume, whatever this process stores new files on.

    Raises as `open_storage`.
    """
    calls = clients.get(config)
    under_way = settings.uploads_root(config.group_id)
    journals = UploadJournals(under_way, clock=clock, environment=clients.environment)
    files = VolumeFiles(calls, journals=journals)
    return VolumeStore(config.group_id, config.volume, files, clock=clock)


def evidence_folder(settings: Settings, config: GroupConfig, backend: str = "") -> Path:
    """Where evidence lies that is kept on this machine: by itself, or in the bronze schema."""
    if (backend or settings.storage_backend) == "delta":
        return settings.lakehouse_root(config.group_id) / config.namespace.bronze("").schema
    return settings.evidence_root(config.group_id)


def open_lakehouse(
    settings: Settings, config: GroupConfig, *, clients: ClientCache, clock: Clock
) -> Lakehouse:
    """The group's tables; nothing is sent, made or started yet.

    Raises:
        MissingDependency: the embedded engine, which local tables need, is not installed.
        ConfigurationError, CredentialError: as `open_storage`.
    """
    if settings.tables_are_local:
        return open_local_lakehouse(settings, config, clock=clock)
    return open_warehouse_lakehouse(config, clients=clients, clock=clock)


def open_local_lakehouse(
    settings: Settings, config: GroupConfig, *, clock: Clock
) -> LocalLakehouse:
    """The group's tables on this machine, whatever this process works on.

    Raises:
        MissingDependency: the embedded engine is not installed.
    """
    own = OwnTables(config.group_id, config.namespace)
    # Brings the embedded engine, which a process on Databricks never needs.
    with naming_extras():
        from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse

    return LocalLakehouse(own, settings.lakehouse_root(config.group_id), clock=clock)


def open_warehouse_lakehouse(
    config: GroupConfig, *, clients: ClientCache, clock: Clock
) -> WarehouseLakehouse:
    """The group's tables in its workspace, whatever this process works on.

    Raises as `open_lakehouse`.
    """
    calls = clients.get(config)
    warehouse = Warehouse(calls, config.warehouse_id, clock=clock)
    return WarehouseLakehouse(
        OwnTables(config.group_id, config.namespace),
        config.volume,
        statements=Statements(calls, warehouse, clock),
        files=VolumeFiles(calls),
        catalog=UnityCatalog(calls),
        clock=clock,
    )


def open_table_care(
    settings: Settings, config: GroupConfig, *, clients: ClientCache, clock: Clock
) -> TableCare:
    """What cares for the group's tables; nothing is sent yet. As `open_lakehouse`."""
    own = OwnTables(config.group_id, config.namespace)
    with naming_extras():
        from kmflow_orchestration.storage.table_care import LocalCare, WarehouseCare

        if settings.tables_are_local:
            from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse

            root = settings.lakehouse_root(config.group_id)
            return LocalCare(LocalLakehouse(own, root, clock=clock))
    calls = clients.get(config)
    warehouse = Warehouse(calls, config.warehouse_id, clock=clock)
    return WarehouseCare(own, Statements(calls, warehouse, clock))


def open_outputs(
    settings: Settings, config: GroupConfig, *, clients: ClientCache, clock: Clock
) -> OutputStore:
    """The group's place for outputs of tasks; nothing is sent or made yet. As `open_storage`."""
    if settings.tables_are_local:
        return LocalOutputs(settings.outputs_root(config.group_id))
    return VolumeOutputs(
        config, clients.get(config), clock=clock, deadline_s=settings.output_deadline_s
    )
