"""What a token is good for, told to whoever holds it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import iso
from kmflow_orchestration.service.authentication import SignedIn, signed_in
from kmflow_orchestration.service.schemas import Me

router = APIRouter()


@router.get("/api/v1/me")
def me(who: Annotated[SignedIn, Depends(signed_in(Role.VIEWER))]) -> Me:
    """Group, role, name and end of the token."""
    expires_at = who.token.expires_at
    return Me(
        group_id=who.group,
        role=who.token.role.value,
        token_name=who.token.name,
        expires_at=None if expires_at is None else iso(expires_at),
    )
