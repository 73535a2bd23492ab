"""One group's settings, complete and frozen; clients, paths and table names are made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.workspace_urls import host_of
from kmflow_orchestration.names import GroupId, Namespace, VolumePath, is_volume_text

FilenameMode = Literal["stable", "timestamped"]
VerifyMode = Literal["size", "hash"]
UploadErrorMode = Literal["fail", "warn"]
SECRET_FIELDS = ("token", "client_secret")
"""Settings that hold a reference to a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """Settings of one group (row A1 and our additions).

    `workspace_url`, `warehouse_id` and `token` are empty for a group that only ever stores locally.
    `version` counts saves of the group and is part of every cache key (row A18). Knowledge chunk
    sizes are in characters. `volume_…` say where outputs go, `evidence_volume` where evidence goes,
    `landing_path` whence it comes: a folder of this machine, or `/Volumes/…` of the workspace.

    `profile` names a section of `config_file`, or of the file the SDK takes by itself when that is
    empty; `auth_type` pins one of the SDK's methods. An empty `http_path` means the warehouse's.
    `sql_…_s` and `warehouse_start_timeout_s` are seconds. No `allowed_catalogs` means the group's
    own catalog only. `volume_filename_mode` says whether an output's next run takes the same name.
    """

    group_id: GroupId
    version: int
    catalog: str
    schema: str
    workspace_url: str = ""
    warehouse_id: str = ""
    token: SecretRef | None = None
    profile: str = ""
    config_file: str = ""
    auth_type: str = ""
    client_id: str = ""
    client_secret: SecretRef | None = None
    http_path: str = ""
    sql_pool_size: int = 5
    sql_max_overflow: int = 10
    sql_pool_recycle_s: int = 1800
    sql_pool_timeout_s: int = 30
    warehouse_start_timeout_s: int = 300
    evidence_volume: str = "raw_evidence"
    landing_path: str = ""
    is_enabled: bool = True
    volume_enabled: bool = False
    volume_path: str | None = None
    volume_file_format: str = "json"
    volume_create_date_dirs: bool = True
    volume_filename_mode: FilenameMode = "stable"
    volume_verify: VerifyMode = "size"
    max_file_size_mb: int = 100
    on_upload_error: UploadErrorMode = "fail"
    allowed_catalogs: tuple[str, ...] = ()
    allow_insecure_loopback: bool = False
    knowledge_volume_enabled: bool = False
    knowledge_volume_path: str | None = None
    knowledge_chunk_size: int = 1000
    knowledge_chunk_overlap: int = 200
    mlflow_enabled: bool = False
    mlflow_experiment_name: str | None = None
    evaluation_enabled: bool = False
    evaluation_judge_model: str | None = None
    ai_gateway_enabled: bool = False

    @property
    def namespace(self) -> Namespace:
        return Namespace(self.catalog, self.schema)

    @property
    def volume(self) -> VolumePath:
        """The group's evidence Volume."""
        return VolumePath(self.catalog, self.schema, self.evidence_volume)

    @property
    def landing_volume(self) -> VolumePath | None:
        """The Volume directory that evidence is dropped into; None when it is a local folder."""
        return VolumePath.parse(self.landing_path) if is_volume_text(self.landing_path) else None

    @property
    def host(self) -> str:
        """Host of the workspace, with its port if it has one; '' for a local group."""
        return host_of(self.workspace_url)
