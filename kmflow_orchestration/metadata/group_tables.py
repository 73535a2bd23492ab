"""Model of the group settings (row A1): one active row a group, older rows as history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kmflow_orchestration.config.group_config import FilenameMode, UploadErrorMode, VerifyMode
from kmflow_orchestration.metadata.schema import Base, UtcDateTime


class DatabricksConfig(Base):
    """One saved version of a group's settings.

    No column has a default: the repository writes every value, and takes times from its clock, so
    that two rows saved a second apart never share a moment.
    """

    __tablename__ = "databricks_configs"
    __table_args__ = (
        UniqueConstraint("group_id", "version", name="uq_databricks_configs_version"),
        Index(
            "uq_databricks_configs_active",
            "group_id",
            unique=True,
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
        # Two groups never share host, catalog and schema (design AD4), not even in a race.
        Index(
            "uq_databricks_configs_namespace",
            "namespace_key",
            unique=True,
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[str] = mapped_column(String(100), index=True)
    version: Mapped[int]
    is_active: Mapped[bool]
    is_enabled: Mapped[bool]
    workspace_url: Mapped[str] = mapped_column(String(255))
    warehouse_id: Mapped[str] = mapped_column(String(255))
    catalog: Mapped[str] = mapped_column(String(255))
    db_schema: Mapped[str] = mapped_column("schema", String(255))
    namespace_key: Mapped[str | None] = mapped_column(String(800))
    """`host/catalog/schema` in lower case; NULL for a group that only ever stores locally."""
    secret_ref: Mapped[str | None] = mapped_column(String(1024))
    """Reference to the workspace token, never the token."""
    profile: Mapped[str] = mapped_column(String(255))
    config_file: Mapped[str] = mapped_column(String(4096))
    auth_type: Mapped[str] = mapped_column(String(255))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret_ref: Mapped[str | None] = mapped_column(String(4096))
    """Reference to the service principal's secret, never the secret."""
    http_path: Mapped[str] = mapped_column(String(255))
    sql_pool_size: Mapped[int]
    sql_max_overflow: Mapped[int]
    sql_pool_recycle_s: Mapped[int]
    sql_pool_timeout_s: Mapped[int]
    warehouse_start_timeout_s: Mapped[int]
    evidence_volume: Mapped[str] = mapped_column(String(255))
    landing_path: Mapped[str] = mapped_column(String(4096))
    allow_insecure_loopback: Mapped[bool]
    volume_enabled: Mapped[bool]
    volume_path: Mapped[str | None] = mapped_column(String(4096))
    volume_file_format: Mapped[str] = mapped_column(String(16))
    volume_create_date_dirs: Mapped[bool]
    volume_filename_mode: Mapped[FilenameMode] = mapped_column(String(16))
    volume_verify: Mapped[VerifyMode] = mapped_column(String(16))
    max_file_size_mb: Mapped[int]
    on_upload_error: Mapped[UploadErrorMode] = mapped_column(String(16))
    allowed_catalogs: Mapped[list[str]] = mapped_column(JSON)
    knowledge_volume_enabled: Mapped[bool]
    knowledge_volume_path: Mapped[str | None] = mapped_column(String(4096))
    knowledge_chunk_size: Mapped[int]
    knowledge_chunk_overlap: Mapped[int]
    mlflow_enabled: Mapped[bool]
    mlflow_experiment_name: Mapped[str | None] = mapped_column(String(255))
    evaluation_enabled: Mapped[bool]
    evaluation_judge_model: Mapped[str | None] = mapped_column(String(255))
    ai_gateway_enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by_email: Mapped[str] = mapped_column(String(255), index=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_by_email: Mapped[str] = mapped_column(String(255))
