"""Who calls: the API token in `Authorization`, and nothing else the request says (A5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from kmflow_orchestration.access.api_tokens import TokenParts, basic_token, bearer_token
from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import NotAuthenticated
from kmflow_orchestration.metadata.api_tokens import ApiToken
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.service.dependencies import ServiceDependencies

GROUP_HEADER = "X-KMFlow-Group"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A caller, the token it came with, and the group its request is about."""

    caller: Caller
    token: ApiToken
    group: GroupId


def signed_in(needed: Role) -> Callable[[Request], SignedIn]:
    """A route's dependency: `Annotated[SignedIn, Depends(signed_in(Role.EDITOR))]`.

    The group is the token's. A path's `group_id`, or the header X-KMFlow-Group, may name it, and
    must then be it. FastAPI calls the dependency in a thread, because it asks the database.

    Raises:
        NotAuthenticated: 401, with the same words for a token that is missing, malformed,
            unknown, expired or revoked.
        GroupRefused, RoleRefused: 403.
    """

    def check(request: Request) -> SignedIn:
        return _signed_in(request, bearer_token(request.headers.get("authorization")), needed)

    return check


def browser_signed_in(request: Request, needed: Role) -> SignedIn:
    """The same for a page: its browser asked for a name and a password, which is the token.

    Only for what changes nothing: a browser sends a password along with whatever another site
    has it ask for.

    Raises: as `signed_in`.
    """
    given = request.headers.get("authorization")
    return _signed_in(request, basic_token(given) or bearer_token(given), needed)


def _signed_in(request: Request, parts: TokenParts | None, needed: Role) -> SignedIn:
    dependencies: ServiceDependencies = request.app.state.dependencies
    token = None
    if parts is not None:
        token = dependencies.tokens.authenticate(parts.group, parts)
    if token is None:
        raise NotAuthenticated("a valid API token is required", hint="kmflow token create")
    caller = caller_of(f"token:{token.token_id}", (token.group_id,), token.role)
    for asked in (request.path_params.get("group_id"), request.headers.get(GROUP_HEADER)):
        caller.group(asked)
    return SignedIn(caller, token, caller.require(needed, token.group_id))
