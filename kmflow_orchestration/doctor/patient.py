"""A group as the doctor sees it: its settings, and ways to its things, taken when first needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId

if TYPE_CHECKING:
    import ssl

    from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
    from kmflow_orchestration.databricks_client.workspace_info import Principal
    from kmflow_orchestration.intake.evidence_register import EvidenceRegister
    from kmflow_orchestration.intake.ledger import Ledger
    from kmflow_orchestration.metadata.dataset_tables import DatasetTables
    from kmflow_orchestration.metadata.upload_failures import UploadFailures
    from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend

T = TypeVar("T")
# Whom grants are for as long as nobody was signed in.
DEFAULT_PRINCIPAL = "kmflow-api"


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How to come by a group's things; nothing is opened before it is asked for."""

    connect: Callable[[], WorkspaceCalls]
    tls_context: Callable[[], ssl.SSLContext]
    store: Callable[[], StorageBackend]
    lakehouse: Callable[[], Lakehouse]
    ledger: Callable[[], Ledger]
    register: Callable[[], EvidenceRegister]
    datasets: Callable[[], DatasetTables]
    failures: Callable[[], UploadFailures]
    import_module: Callable[[str], Any] = importlib.import_module


class Patient:
    """One group. `backend` is the process's; `is_local` says that its tables lie on this machine.

    Every property raises what its part raises; checks turn that into findings.
    """

    def __init__(
        self,
        config: GroupConfig,
        ways: Ways,
        *,
        clock: Clock,
        backend: str,
        is_local: bool,
        landing_root: Path,
        evidence_root: Path,
        timeout_s: float = 30.0,
    ) -> None:
        self.config = config
        self.ways = ways
        self.clock = clock
        self.backend = backend
        self.is_local = is_local
        self.landing_root = landing_root
        self.evidence_root = evidence_root
        self.timeout_s = timeout_s
        self._remembered: dict[str, Any] = {}

    @property
    def group(self) -> GroupId:
        return self.config.group_id

    @property
    def has_workspace(self) -> bool:
        """Whether the group works on a Databricks workspace at all."""
        return bool(self.config.workspace_url) or not self.is_local

    @cached_property
    def calls(self) -> WorkspaceCalls:
        """A client of the doctor's own."""
        return self.ways.connect()

    @cached_property
    def me(self) -> Principal:
        """Who the group is in its workspace."""
        from kmflow_orchestration.databricks_client.workspace_info import current_principal

        return current_principal(self.calls)

    @property
    def principal(self) -> str:
        """Whom grants are for."""
        return self.me.user_name if "me" in self.__dict__ else DEFAULT_PRINCIPAL

    @property
    def store(self) -> StorageBackend:
        return self.ways.store()

    @property
    def lakehouse(self) -> Lakehouse:
        return self.ways.lakehouse()

    def once(self, name: str, look: Callable[[], T]) -> T:
        """What a look found, for several checks to share."""
        if name not in self._remembered:
            self._remembered[name] = look()
        found: T = self._remembered[name]
        return found

    def forget(self) -> None:
        """Look at everything anew from now on."""
        self._remembered.clear()

    def close(self) -> None:
        """Close the doctor's own client."""
        if "calls" in self.__dict__:
            self.calls.close()
            del self.__dict__["calls"]
        self.__dict__.pop("me", None)
