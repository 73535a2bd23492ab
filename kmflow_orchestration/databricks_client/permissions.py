"""Privileges on what lies in Unity Catalog: who holds which, and giving more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required

_UC = "/api/2.1/unity-catalog"


@dataclass(frozen=True, slots=True)
class Securable:
    """One object that privileges are granted on; `kind` is `CATALOG`, `SCHEMA`, `TABLE`, …"""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """A privilege somebody holds, and the object on which it was granted."""

    principal: str
    privilege: str
    on: Securable


class Permissions:
    """Grants, as far as this client may see them. Raises the leaves `WorkspaceCalls` names."""

    def __init__(self, calls: WorkspaceCalls) -> None:
        self._calls = calls

    def effective(self, securable: Securable) -> list[Held]:
        """All that is granted on an object or on what it lies in.

        Who neither owns nor may manage the object is shown the own privileges only.
        """
        endpoint = f"{_UC}/effective-permissions/{_path(securable)}"
        return [
            Held(
                str(required(assignment, "principal", f"GET {endpoint}")),
                str(required(privilege, "privilege", f"GET {endpoint}")),
                _origin(privilege, securable),
            )
            for assignment in self._pages(endpoint)
            for privilege in assignment.get("privileges") or ()
        ]

    def grant(self, securable: Securable, principal: str, privileges: Sequence[str]) -> None:
        """Give privileges; those that are held already stay as they are.

        Raises:
            AccessRefused: we may not manage the object.
            RemoteNotFound: there is no such principal, or no such object.
        """
        body = {"changes": [{"principal": principal, "add": list(privileges)}]}
        self._calls.do("PATCH", f"{_UC}/permissions/{_path(securable)}", body=body)

    def _pages(self, endpoint: str) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {}
        while True:
            page = self._calls.do("GET", endpoint, query=query)
            yield from page.get("privilege_assignments") or ()
            if not page.get("next_page_token"):
                return
            query = {"page_token": page["next_page_token"]}


def _path(securable: Securable) -> str:
    return f"{securable.kind}/{quote(securable.name, safe='')}"


def _origin(privilege: dict[str, Any], securable: Securable) -> Securable:
    kind, name = privilege.get("inherited_from_type"), privilege.get("inherited_from_name")
    return Securable(str(kind).upper(), str(name)) if kind and name else securable
