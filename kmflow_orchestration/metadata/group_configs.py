"""Group settings with their history (rows A1, A3, A4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import PurePath

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.group_input import GroupInput
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupMismatch,
    StateConflict,
    UnknownGroup,
)
from kmflow_orchestration.metadata.engine import SessionFactory, transaction
from kmflow_orchestration.metadata.group_tables import DatabricksConfig
from kmflow_orchestration.names import GroupId, group_id

_IMPORT_HINT = "kmflow group import FILE; kmflow group list shows the known ones"
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


class GroupConfigs:
    """Settings of all groups; each call but the two lists is about exactly one group."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def save(
        self,
        group: GroupId,
        values: GroupInput,
        author: str,
        *,
        expected_version: int | None = None,
    ) -> GroupConfig:
        """Make these settings the group's active ones; the former become history.

        Raises:
            MissingGroup: an empty or blank group.
            GroupMismatch: the settings are another group's.
            ConfigurationError: no author, or another group has the same tables or landing folder.
            StateConflict: somebody saved meanwhile, or `expected_version` is not the active one.
        """
        group = group_id(group)
        if values.group_id != group:
            raise GroupMismatch(f"settings of {values.group_id} cannot be saved for {group}")
        if not author.strip():
            raise ConfigurationError("settings need an author", fields=("author",))
        try:
            with transaction(self._sessions) as session:
                return self._replace(session, values, author, expected_version)
        except IntegrityError as error:
            raise StateConflict(
                f"settings of {group} were saved by somebody else at the same moment",
                hint="read them again, then save",
            ) from error

    def find(self, group: GroupId) -> GroupConfig | None:
        """Active settings of a group, enabled or not; None when it has none."""
        with transaction(self._sessions) as session:
            row = _active_row(session, group_id(group))
            return None if row is None else _config(row)

    def active(self, group: GroupId) -> GroupConfig:
        """Active settings of an enabled group.

        Raises:
            MissingGroup: an empty or blank group.
            UnknownGroup: the group has no settings, or is disabled.
        """
        config = self.find(group)
        if config is None:
            raise UnknownGroup(f"group {group} has no settings", hint=_IMPORT_HINT)
        if not config.is_enabled:
            raise UnknownGroup(
                f"group {group} is disabled",
                hint="import it with `enabled: true`: kmflow group import FILE",
            )
        return config

    def history(self, group: GroupId) -> list[SavedConfig]:
        """Every version of a group's settings, newest first; empty for an unknown group."""
        query = (
            select(DatabricksConfig)
            .where(DatabricksConfig.group_id == group_id(group))
            .order_by(DatabricksConfig.version.desc())
        )
        with transaction(self._sessions) as session:
            return [_saved(row) for row in session.scalars(query)]

    def groups(self) -> list[GroupId]:
        """Ids of the enabled groups, sorted: what partitions and sensors walk over."""
        return [config.group_id for config in self.all_active()]

    def all_active(self, *, include_disabled: bool = False) -> list[GroupConfig]:
        """Active settings of every enabled group, by id; disabled ones only when asked for."""
        with transaction(self._sessions) as session:
            configs = _all_active(session)
        return [config for config in configs if config.is_enabled or include_disabled]

    def _replace(
        self, session: Session, values: GroupInput, author: str, expected_version: int | None
    ) -> GroupConfig:
        current = _active_row(session, values.group_id)
        version = 0 if current is None else current.version
        if expected_version is not None and expected_version != version:
            raise StateConflict(
                f"settings of {values.group_id} are at version {version}, not {expected_version}",
                hint="read them again, then save",
            )
        config = values.to_config(version + 1)
        _refuse_overlap(config, _all_active(session))
        now = self._clock.now()
        if current is not None:
            _retire(session, current, author, now)
        session.add(_row(config, author, now))
        session.flush()
        return config


def _active_row(session: Session, group: GroupId) -> DatabricksConfig | None:
    return session.scalars(
        select(DatabricksConfig).where(
            DatabricksConfig.group_id == group, DatabricksConfig.is_active
        )
    ).one_or_none()


def _all_active(session: Session) -> list[GroupConfig]:
    query = (
        select(DatabricksConfig)
        .where(DatabricksConfig.is_active)
        .order_by(DatabricksConfig.group_id)
    )
    return [_config(row) for row in session.scalars(query)]


def _retire(session: Session, current: DatabricksConfig, author: str, now: datetime) -> None:
    """Compare-and-set: of two savers that read the same version, one finds nothing to retire."""
    result = session.execute(
        update(DatabricksConfig)
        .where(
            DatabricksConfig.id == current.id,
            DatabricksConfig.group_id == current.group_id,
            DatabricksConfig.is_active,
        )
        .values(is_active=False, updated_at=now, updated_by_email=author)
    )
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise StateConflict(
            f"version {current.version} of {current.group_id} is no longer the active one",
            hint="read the settings again, then save",
        )


def _refuse_overlap(config: GroupConfig, others: Sequence[GroupConfig]) -> None:
    """Two groups never share a table or a landing folder (design AD4)."""
    for other in others:
        if other.group_id == config.group_id:
            continue
        if _share_schemas(config, other):
            raise ConfigurationError(
                f"group {other.group_id} has its tables in {other.catalog}.{other.schema} of this "
                "workspace already",
                fields=("workspace_url", "catalog", "schema"),
                hint="give each group its own schema",
            )
        if _share_landing(config.landing_path, other.landing_path):
            raise ConfigurationError(
                f"group {other.group_id} has the same landing folder, or one around or inside it",
                fields=("landing_path",),
                hint="give each group its own landing folder",
            )


def _share_schemas(one: GroupConfig, other: GroupConfig) -> bool:
    """Whether any two of their five schemas are one, as Unity Catalog compares names."""
    # Without a workspace each group's tables lie under its own local root.
    if not one.host or (one.host, one.catalog.lower()) != (other.host, other.catalog.lower()):
        return False
    return bool(one.schema and other.schema) and not {
        name.lower() for name in one.namespace.schemas
    }.isdisjoint(name.lower() for name in other.namespace.schemas)


def _share_landing(one: str, other: str) -> bool:
    if not one or not other:
        return False
    mine, theirs = PurePath(one), PurePath(other)
    return mine.is_relative_to(theirs) or theirs.is_relative_to(mine)


def _namespace_key(config: GroupConfig) -> str | None:
    if not (config.host and config.catalog and config.schema):
        return None
    return f"{config.host}/{config.catalog}/{config.schema}".lower()


def _row(config: GroupConfig, author: str, now: datetime) -> DatabricksConfig:
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


def _config(row: DatabricksConfig) -> GroupConfig:
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


def _saved(row: DatabricksConfig) -> SavedConfig:
    return SavedConfig(
        config=_config(row),
        is_active=row.is_active,
        created_at=row.created_at,
        created_by_email=row.created_by_email,
        updated_at=row.updated_at,
        updated_by_email=row.updated_by_email,
    )
