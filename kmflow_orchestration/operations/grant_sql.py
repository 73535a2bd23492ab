"""Grants as the SQL that people run, and whether an error asks for one."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.databricks_client.permissions import Held, Securable
from kmflow_orchestration.errors import AccessRefused, KmflowError, StatementFailed
from kmflow_orchestration.names import quoted

OWNERSHIP = "OWNERSHIP"
_REFUSALS = frozenset({"INSUFFICIENT_PERMISSIONS", "PERMISSION_DENIED"})


def grant_sql(securable: Securable, privileges: Sequence[str], principal: str) -> str:
    """The statement that gives privileges."""
    names = ", ".join(map(spoken, privileges))
    return f"GRANT {names} ON {place_sql(securable)} TO {quoted(principal)}"


def take_back_sql(held: Held) -> str:
    """The statement that takes a privilege back, or what to do about ownership."""
    if held.privilege == OWNERSHIP:
        return f"ALTER {place_sql(held.on)} OWNER TO somebody else; an owner may do everything"
    return f"REVOKE {spoken(held.privilege)} ON {place_sql(held.on)} FROM {quoted(held.principal)}"


def place_sql(securable: Securable) -> str:
    """A securable's kind and quoted name."""
    return f"{securable.kind} {'.'.join(map(quoted, securable.name.split('.')))}"


def spoken(privilege: str) -> str:
    """A privilege as SQL writes it."""
    return privilege.replace("_", " ")


def is_refusal(error: KmflowError) -> bool:
    """Whether a privilege is missing, be it that an API or a statement said so."""
    return isinstance(error, AccessRefused) or (
        isinstance(error, StatementFailed) and error.error_code in _REFUSALS
    )
