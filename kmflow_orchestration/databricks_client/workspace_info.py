"""Who we are in a workspace."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required


@dataclass(frozen=True, slots=True)
class Principal:
    """The user or service principal a token belongs to, and the groups it is in."""

    user_name: str
    display_name: str
    groups: tuple[str, ...] = ()


def current_principal(calls: WorkspaceCalls, *, is_patient: bool = True) -> Principal:
    """Ask the workspace who we are; the cheapest proof that host and token fit together.

    `is_patient=False` asks once: somebody waits for the answer.

    Raises:
        AccessRefused: the token is not accepted.
        RemoteFault: nobody answers, or not well.
    """
    endpoint = "/api/2.0/preview/scim/v2/Me"
    answer = calls.do("GET", endpoint, repeatable=is_patient)
    return Principal(
        required(answer, "userName", f"GET {endpoint}"),
        str(answer.get("displayName") or ""),
        tuple(str(one["display"]) for one in answer.get("groups") or () if one.get("display")),
    )
