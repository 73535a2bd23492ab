"""Who looked up which of a group's secrets: one audit record a process and reference (row A19)."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from kmflow_orchestration.databricks_client.connection_rules import SecretRead
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed

# Of the process and not of a context: in Dagster every step and every tick opens one of its own.
_NOTED: set[tuple[str, SecretRead]] = set()
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class SecretReads:
    """Notes look-ups in the audit trail. `database` names the one that the trail is in."""

    audit: ConfigAudit
    actor: str
    database: str

    def note(self, read: SecretRead) -> None:
        """Note a look-up the first time; a failed one apart from one that succeeds.

        Raises:
            StorageUnavailable: it could not be noted; the next look-up tries again.
        """
        key = (self.database, read)
        with _LOCK:
            if key in _NOTED:
                return
            self.audit.note(
                read.group,
                Deed(
                    action=AuditAction.READ_SECRET,
                    actor_email=self.actor,
                    after={"reference": read.reference},
                    error_code=read.error_code,
                ),
            )
            _NOTED.add(key)
