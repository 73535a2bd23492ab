"""API tokens of a group, given out and taken back by its admins."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.access.api_tokens import new_token
from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.expiry import DEFAULT_EXPIRY, parse_expiry
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import InvalidSettings, UnknownGroup
from kmflow_orchestration.metadata.api_tokens import ApiToken, ApiTokens
from kmflow_orchestration.metadata.group_configs import GroupConfigs

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was given out. `secret` is its whole text, which nobody can ever read again."""

    token: ApiToken
    secret: Secret


def create_token(
    group: str,
    role: Role,
    *,
    caller: Caller,
    tokens: ApiTokens,
    configs: GroupConfigs,
    clock: Clock,
    name: str = "",
    expires: str = DEFAULT_EXPIRY,
) -> NewToken:
    """Give out a token for a group; without a name it takes the role's.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        UnknownGroup: the group has no settings.
        InvalidSettings: a name that is no single line of at most 100 characters, or a time
            that is none or over.
    """
    own = caller.require(Role.ADMIN, group)
    if configs.find(own) is None:
        raise UnknownGroup(f"group {own} has no settings yet", hint="kmflow group create")
    label = name.strip() or role.value
    if len(label) > _LONGEST_NAME or not label.isprintable():
        raise InvalidSettings(
            f"name: must be one line of at most {_LONGEST_NAME} characters", fields=("name",)
        )
    expires_at = parse_expiry(expires, now=clock.now())
    secret, parts = new_token(own)
    token = tokens.add(
        own, parts, name=label, role=role, expires_at=expires_at, author=caller.group_email
    )
    return NewToken(token, secret)


def list_tokens(group: str, *, caller: Caller, tokens: ApiTokens) -> list[ApiToken]:
    """Every token of a group, newest first.

    Raises:
        CallerRefused: as `create_token`.
    """
    return tokens.all(caller.require(Role.ADMIN, group))


def revoke_token(group: str, token_id: str, *, caller: Caller, tokens: ApiTokens) -> ApiToken:
    """Make a token useless from this moment; a second call changes nothing.

    Raises:
        CallerRefused: as `create_token`.
        UnknownToken: the group has none of this id.
    """
    own = caller.require(Role.ADMIN, group)
    return tokens.revoke(own, token_id, caller.group_email)
