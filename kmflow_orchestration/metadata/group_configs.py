"""Group settings with their history (rows A1, A3, A4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import CursorResult, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_overlaps import refuse_overlap
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupDisabled,
    GroupMismatch,
    KmflowError,
    SettingsConflict,
    UnknownGroup,
)
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed, add_deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.group_rows import SavedConfig, config_of, row_of, saved_of
from kmflow_orchestration.metadata.group_tables import DatabricksConfig
from kmflow_orchestration.metadata.guarded import guarded, guarded_connection
from kmflow_orchestration.metadata.one_writer import one_writer
from kmflow_orchestration.names import GroupId, group_id

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_input import GroupInput

_IMPORT_HINT = "kmflow group import FILE; kmflow group list shows the known ones"
_AGAIN = "read them again, then save"
_LONGEST_AUTHOR = 255


class GroupConfigs:
    """Settings of all groups; each call but the two lists is about exactly one group.

    Every save, and every save that was refused, leaves a record in the audit trail (row A19).
    """

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._audit = ConfigAudit(sessions, clock)
        # A version never changes: of those that were read, only which one is active is asked again.
        self._known: dict[GroupId, tuple[int, GroupConfig]] = {}

    def save(
        self,
        group: GroupId,
        values: GroupInput,
        author: str,
        *,
        expected_version: int | None = None,
    ) -> GroupConfig:
        """Make these settings the group's active ones; the former become history.

        Args:
            expected_version: the version they were made from, 0 for a group that is new; None
                replaces whatever there is.

        Raises:
            MissingGroup: an empty or blank group.
            GroupMismatch: the settings are another group's.
            ConfigurationError: no author, or another group has the same tables, landing folder or
                Volume.
            SettingsConflict: somebody saved meanwhile, or `expected_version` is not the active one.
            StorageUnavailable: the database does not answer.
        """
        group = group_id(group)
        if values.group_id != group:
            raise GroupMismatch(f"settings of {values.group_id} cannot be saved for {group}")
        return self._save(group, values.to_config, author, expected_version)

    def disable(
        self, group: GroupId, author: str, *, expected_version: int | None = None
    ) -> GroupConfig:
        """Switch a group off; its settings stay as they are. A second call changes nothing.

        Nothing is checked but the version: what has become invalid can still be switched off.

        Raises:
            MissingGroup, SettingsConflict, StorageUnavailable: as `save`.
            UnknownGroup: it has no settings.
        """
        current = self.find(group)
        if current is None:
            raise UnknownGroup(f"group {group} has no settings", hint=_IMPORT_HINT)
        if not current.is_enabled and expected_version in {None, current.version}:
            return current

        def disabled(version: int) -> GroupConfig:
            return replace(current, version=version, is_enabled=False)

        if expected_version is None:
            expected_version = current.version
        return self._save(current.group_id, disabled, author, expected_version)

    def refused(
        self, group: GroupId, author: str, error: KmflowError, details: Mapping[str, Any]
    ) -> None:
        """Note a save that was refused before it came here; `details` are JSON without values.

        Raises:
            MissingGroup, StorageUnavailable: as `save`.
        """
        known = self.find(group) is not None
        deed = Deed(
            action=AuditAction.UPDATE if known else AuditAction.CREATE,
            actor_email=author,
            after=details,
            error_code=error.code,
        )
        self._audit.note(group, deed)

    def find(self, group: GroupId) -> GroupConfig | None:
        """Active settings of a group, enabled or not; None when it has none."""
        group = group_id(group)
        with guarded_connection(self._sessions) as connection:
            row_id = connection.execute(_ACTIVE_ID, {"of_group": group}).scalar()
        if row_id is None:
            return None
        known = self._known.get(group)
        if known is not None and known[0] == row_id:
            return known[1]
        with guarded(self._sessions) as session:
            row = _active_row(session, group)
        if row is None:
            return None
        self._known[group] = row.id, (found := config_of(row))
        return found

    def active(self, group: GroupId) -> GroupConfig:
        """Active settings of an enabled group.

        Raises:
            MissingGroup: an empty or blank group.
            UnknownGroup: the group has no settings.
            GroupDisabled: it is disabled.
        """
        config = self.find(group)
        if config is None:
            raise UnknownGroup(f"group {group} has no settings", hint=_IMPORT_HINT)
        if not config.is_enabled:
            raise GroupDisabled(
                f"group {group} is disabled", hint=f"kmflow group set {group} enabled=true"
            )
        return config

    def history(self, group: GroupId) -> list[SavedConfig]:
        """Every version of a group's settings, newest first; empty for an unknown group."""
        query = (
            select(DatabricksConfig)
            .where(DatabricksConfig.group_id == group_id(group))
            .order_by(DatabricksConfig.version.desc())
        )
        with guarded(self._sessions) as session:
            return [saved_of(row) for row in session.scalars(query)]

    def groups(self) -> list[GroupId]:
        """Ids of the enabled groups, sorted: what partitions and sensors walk over."""
        return [config.group_id for config in self.all_active()]

    def all_active(self, *, include_disabled: bool = False) -> list[GroupConfig]:
        """Active settings of every enabled group, by id; disabled ones only when asked for."""
        with guarded(self._sessions) as session:
            configs = _all_active(session)
        return [config for config in configs if config.is_enabled or include_disabled]

    def _save(
        self, group: GroupId, build: Build, author: str, expected_version: int | None
    ) -> GroupConfig:
        if not author.strip() or len(author) > _LONGEST_AUTHOR:
            raise ConfigurationError(
                f"settings need an author of at most {_LONGEST_AUTHOR} characters",
                fields=("author",),
            )
        try:
            return self._replace(group, build, author, expected_version)
        except (ConfigurationError, SettingsConflict) as error:
            before = self.find(group)
            self._audit.note(group, _deed(author, before, build(0), error_code=error.code))
            raise

    def _replace(
        self, group: GroupId, build: Build, author: str, expected_version: int | None
    ) -> GroupConfig:
        try:
            with guarded(self._sessions) as session:
                return self._replaced(session, group, build, author, expected_version)
        except IntegrityError as error:
            raise SettingsConflict(
                f"settings of {group} were saved by somebody else at the same moment",
                hint=_AGAIN,
            ) from error

    def _replaced(
        self,
        session: Session,
        group: GroupId,
        build: Build,
        author: str,
        expected_version: int | None,
    ) -> GroupConfig:
        current = _active_row(session, group)
        before = None if current is None else config_of(current)
        version = 0 if before is None else before.version
        if expected_version not in {None, version}:
            raise SettingsConflict(
                f"settings of {group} are at version {version}, not {expected_version}",
                hint=_AGAIN,
            )
        config = build(version + 1)
        refuse_overlap(config, _all_active(session))
        now = self._clock.now()
        if current is not None:
            _retire(session, current, author, now)
        session.add(row_of(config, author, now))
        add_deed(session, group, _deed(author, before, config), at=now)
        session.flush()
        # Once more, now that we are the only writer: two groups may have been saved side by side.
        one_writer(session)
        refuse_overlap(config, _all_active(session))
        return config


Build = Callable[[int], GroupConfig]
"""Settings as a version's number makes them."""


def _deed(
    author: str, before: GroupConfig | None, after: GroupConfig, *, error_code: str = ""
) -> Deed:
    # Here, because reading groups needs none of the rules that writing them does.
    from kmflow_orchestration.config.group_values import shown

    action = AuditAction.CREATE if before is None else AuditAction.UPDATE
    if before is not None and before.is_enabled and not after.is_enabled:
        action = AuditAction.DISABLE
    return Deed(
        action=action,
        actor_email=author,
        before=None if before is None else shown(before),
        after=shown(after),
        error_code=error_code,
    )


_ACTIVE_ID = select(DatabricksConfig.id).where(
    DatabricksConfig.group_id == bindparam("of_group"), DatabricksConfig.is_active
)


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
    return [config_of(row) for row in session.scalars(query)]


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
        raise SettingsConflict(
            f"version {current.version} of {current.group_id} is no longer the active one",
            hint=_AGAIN,
        )
