"""Group settings as rows of the control database, and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.metadata.group_tables import DatabricksConfig

# Named otherwise in the table, or made of something else there.
_OWN_FORM = frozenset({"schema", "allowed_catalogs", *SECRET_FIELDS})
_SAME_NAME = tuple(field.name for field in fields(GroupConfig) if field.name not in _OWN_FORM)


@dataclass(frozen=True, slots=True)
class SavedConfig:
    """One version of a group's settings: by whom, when, and who replaced it when.

    Until a version is replaced, `updated_…` equals `created_…`.
    """

    config: GroupConfig
    is_active: bool
    created_at: datetime
    created_by_email: str
    updated_at: datetime
    updated_by_email: str


def _namespace_key(config: GroupConfig) -> str | None:
    if not (config.host and config.catalog and config.schema):
        return None
    return f"{config.host}/{config.catalog}/{config.schema}".lower()


def row_of(config: GroupConfig, author: str, now: datetime) -> DatabricksConfig:
    """A new active row of these settings."""
    return DatabricksConfig(
        **{name: getattr(config, name) for name in _SAME_NAME},
        db_schema=config.schema,
        secret_ref=_text(config.token),
        client_secret_ref=_text(config.client_secret),
        allowed_catalogs=list(config.allowed_catalogs),
        namespace_key=_namespace_key(config),
        is_active=True,
        created_at=now,
        created_by_email=author,
        updated_at=now,
        updated_by_email=author,
    )


def config_of(row: DatabricksConfig) -> GroupConfig:
    """The settings that a row holds."""
    return GroupConfig(
        **{name: getattr(row, name) for name in _SAME_NAME},
        schema=row.db_schema,
        token=_reference(row.secret_ref),
        client_secret=_reference(row.client_secret_ref),
        allowed_catalogs=tuple(row.allowed_catalogs),
    )


def _text(reference: SecretRef | None) -> str | None:
    return None if reference is None else str(reference)


def _reference(text: str | None) -> SecretRef | None:
    return None if text is None else SecretRef.parse(text)


def saved_of(row: DatabricksConfig) -> SavedConfig:
    """The same with its history."""
    return SavedConfig(
        config=config_of(row),
        is_active=row.is_active,
        created_at=row.created_at,
        created_by_email=row.created_by_email,
        updated_at=row.updated_at,
        updated_by_email=row.updated_by_email,
    )
