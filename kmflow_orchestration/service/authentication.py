"""Who calls: the API token in `Authorization: Bearer`, and nothing else the request says (A5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from kmflow_orchestration.access.api_tokens import bearer_token
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
        dependencies: ServiceDependencies = request.app.state.dependencies
        parts = bearer_token(request.headers.get("authorization"))
        token = None
        if parts is not None:
            token = dependencies.tokens.authenticate(parts.group, parts)
        if token is None:
            raise NotAuthenticated("a valid API token is required", hint="kmflow token create")
        caller = caller_of(f"token:{token.token_id}", (token.group_id,), token.role)
        for asked in (request.path_params.get("group_id"), request.headers.get(GROUP_HEADER)):
            caller.group(asked)
        return SignedIn(caller, token, caller.require(needed, token.group_id))

    return check
