"""One group's settings, complete and frozen: clients, paths and table names are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.names import GroupId, Namespace, VolumePath


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """Settings of one group (row A1 and our additions).

    `workspace_url`, `warehouse_id` and `token` are empty for a group that only ever stores locally.
    `version` counts saves of the group and is part of every cache key (row A18).
    """

    group_id: GroupId
    version: int
    catalog: str
    schema: str
    workspace_url: str = ""
    warehouse_id: str = ""
    token: SecretRef | None = None
    evidence_volume: str = "raw_evidence"
    landing_path: str = ""
    is_enabled: bool = True
    volume_enabled: bool = False
    volume_path: str | None = None
    volume_file_format: str = "json"
    volume_create_date_dirs: bool = True
    allow_insecure_loopback: bool = False

    @property
    def namespace(self) -> Namespace:
        return Namespace(self.catalog, self.schema)

    @property
    def volume(self) -> VolumePath:
        """The group's evidence Volume."""
        return VolumePath(self.catalog, self.schema, self.evidence_volume)
