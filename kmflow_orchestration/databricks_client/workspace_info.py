"""Who we are in a workspace."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required


@dataclass(frozen=True, slots=True)
class Principal:
    """The user or service principal a token belongs to."""

    user_name: str
    display_name: str


def current_principal(calls: WorkspaceCalls) -> Principal:
    """Ask the workspace who we are; the cheapest proof that host and token fit together.

    Raises:
        AccessRefused: the token is not accepted.
    """
    endpoint = "/api/2.0/preview/scim/v2/Me"
    answer = calls.do("GET", endpoint)
    return Principal(
        required(answer, "userName", f"GET {endpoint}"), str(answer.get("displayName") or "")
    )
