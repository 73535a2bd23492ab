"""API tokens of groups: given out, looked up, revoked; never read back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kmflow_orchestration.access.api_tokens import TokenParts, same_digest
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import GroupMismatch, UnknownToken
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed, add_deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.token_tables import ApiTokenRow
from kmflow_orchestration.names import GroupId, group_id

# A busy token writes its last use once in this time, not at every request.
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What is known of a token; its secret is not."""

    group_id: GroupId
    token_id: str
    name: str
    role: Role
    created_at: datetime
    created_by_email: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is None and not expired


class ApiTokens:
    """Tokens of one group at a time."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def add(
        self,
        group: GroupId,
        parts: TokenParts,
        *,
        name: str,
        role: Role,
        expires_at: datetime | None,
        author: str,
    ) -> ApiToken:
        """Keep a new token's digest.

        Raises:
            MissingGroup: an empty or blank group.
            GroupMismatch: the token is another group's.
        """
        if parts.group != group_id(group):
            raise GroupMismatch(f"a token of {parts.group} cannot be kept for {group}")
        now = self._clock.now()
        row = ApiTokenRow(
            group_id=group,
            token_id=parts.token_id,
            digest=parts.digest,
            name=name,
            role=role.value,
            created_at=now,
            created_by_email=author,
            expires_at=expires_at,
        )
        with guarded(self._sessions) as session:
            session.add(row)
            add_deed(session, group, _deed(AuditAction.CREATE_TOKEN, row, author), at=now)
            session.flush()
        return _token(row)

    def authenticate(self, group: GroupId, parts: TokenParts) -> ApiToken | None:
        """The token that these parts are of, its use noted; None unless it is good right now.

        Raises:
            StorageUnavailable: the database does not answer.
        """
        now = self._clock.now()
        with guarded(self._sessions) as session:
            row = _row(session, group_id(group), parts.token_id)
            # Compared even when there is no row, so that the time taken does not tell.
            fits = same_digest("" if row is None else row.digest, parts.digest)
            if row is None or not fits or not _token(row).is_good(now):
                return None
            if row.last_used_at is None or now - row.last_used_at >= _USE_IS_NOTED_EVERY:
                row.last_used_at = now
            return _token(row)

    def all(self, group: GroupId) -> list[ApiToken]:
        """Every token of a group, newest first, with those that are no longer good."""
        query = (
            select(ApiTokenRow)
            .where(ApiTokenRow.group_id == group_id(group))
            .order_by(ApiTokenRow.created_at.desc(), ApiTokenRow.token_id)
        )
        with guarded(self._sessions) as session:
            return [_token(row) for row in session.scalars(query)]

    def revoke(self, group: GroupId, token_id: str, author: str) -> ApiToken:
        """Make a token useless from this moment; a second call changes nothing.

        Raises:
            UnknownToken: the group has none of this id.
        """
        now = self._clock.now()
        with guarded(self._sessions) as session:
            revoked = session.execute(
                update(ApiTokenRow)
                .where(
                    ApiTokenRow.group_id == group_id(group),
                    ApiTokenRow.token_id == token_id,
                    ApiTokenRow.revoked_at.is_(None),
                )
                .values(revoked_at=now, revoked_by_email=author)
                .returning(ApiTokenRow.token_id)
            ).all()
            row = _row(session, group, token_id)
            if row is None:
                raise UnknownToken(
                    f"group {group} has no token {token_id!r}", hint="kmflow token list"
                )
            if revoked:
                add_deed(session, group, _deed(AuditAction.REVOKE_TOKEN, row, author), at=now)
            return _token(row)


def _row(session: Session, group: GroupId, token_id: str) -> ApiTokenRow | None:
    return session.get(ApiTokenRow, (group, token_id))


def _deed(action: AuditAction, row: ApiTokenRow, author: str) -> Deed:
    known = {"token_id": row.token_id, "name": row.name, "role": row.role}
    return Deed(action=action, actor_email=author, after=known)


def _token(row: ApiTokenRow) -> ApiToken:
    return ApiToken(
        group_id=GroupId(row.group_id),
        token_id=row.token_id,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        created_by_email=row.created_by_email,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
