"""The two client groups of the demo: one workspace, two service principals, nothing shared."""

from __future__ import annotations

from typing import Any

from kmflow_orchestration.config.group_input import GroupInput, parse_group
from kmflow_orchestration.demo.evidence import GROUPS
from kmflow_orchestration.demo.home import Home

SCHEMA = "evidence"
VOLUME = "raw_evidence"
WAREHOUSE = "demo"
# What differs from group to group besides catalog, token and landing folder.
OUTPUTS: dict[str, dict[str, Any]] = {
    "acme": {"volume_path": "acme.evidence.outputs", "volume_file_format": "json"},
    "globex": {
        "volume_path": "/Volumes/globex/evidence/results/monthly",
        "volume_file_format": "csv",
        "volume_create_date_dirs": False,
    },
}


def token_name(group: str) -> str:
    """File name of a group's workspace token among the home's secrets."""
    return f"{group}.token"


def local_groups(home: Home) -> list[GroupInput]:
    """The groups for local storage: only names, no workspace."""
    return [parse_group(group, {**_places(home, group)}) for group in GROUPS]


def workspace_groups(home: Home, workspace_url: str, warehouse_id: str) -> list[GroupInput]:
    """The groups in one workspace, each with a token and a catalog of its own."""
    return [
        parse_group(
            group,
            {
                **_places(home, group),
                **OUTPUTS[group],
                "workspace_url": workspace_url,
                "warehouse_id": warehouse_id,
                "token": f"file:{home.secret_file(token_name(group))}",
                "allow_insecure_loopback": True,
                "volume_enabled": True,
            },
        )
        for group in GROUPS
    ]


def _places(home: Home, group: str) -> dict[str, Any]:
    return {
        "catalog": group,
        "schema": SCHEMA,
        "evidence_volume": VOLUME,
        "landing_path": str(landing_root(home, group)),
    }


def landing_root(home: Home, group: str) -> Any:
    """Where the group's files are dropped."""
    return home.root / "landing" / group
