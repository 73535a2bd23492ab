"""What people do about a group's quarantine, and what is told of it."""

from __future__ import annotations

from typing import Any

from kmflow_orchestration.metadata.quarantine_records import HeldBack
from kmflow_orchestration.operations.explain_file import explain_file
from kmflow_orchestration.operations.quarantine import (
    Accepted,
    QuarantineList,
    Retry,
    accept_quarantined,
    list_quarantine,
    retry_quarantined,
)
from kmflow_orchestration.operations.quarantine_details import HeldDetails, show_quarantined
from kmflow_orchestration_tests.operations.workspace_group import WorkspaceGroup


def held(group: WorkspaceGroup, **filters: Any) -> QuarantineList:
    own = group.own.listing_quarantine()
    return list_quarantine(group.id, caller=group.caller, **filters, **own)


def show(group: WorkspaceGroup, item: str) -> HeldDetails:
    own = group.own.showing_quarantined()
    (found,) = show_quarantined(group.id, item, caller=group.caller, **own)
    return found


def retry(group: WorkspaceGroup, *items: str, **more: Any) -> Retry:
    own = {**group.own.retrying_quarantined(), **more}
    return retry_quarantined(group.id, items, **{"caller": group.caller, **own})


def accept(group: WorkspaceGroup, *items: str, reason: str = "known") -> Accepted:
    own = group.own.accepting_quarantined()
    return accept_quarantined(group.id, items, reason, caller=group.caller, **own)


def codes(group: WorkspaceGroup, engagement: str) -> dict[str, str]:
    """Codes by file name."""
    found = held(group, engagement=engagement).entries
    return {one.path.removeprefix(f"{engagement}/"): one.code for one in found}


def the(group: WorkspaceGroup, engagement: str) -> HeldBack:
    (one,) = held(group, engagement=engagement).entries
    return one


def of_item(group: WorkspaceGroup, table: str, item_id: str) -> list[dict[str, Any]]:
    return [row for row in group.rows(table) if row["evidence_item_id"] == item_id]


def story(group: WorkspaceGroup, path: str) -> list[tuple[str, str]]:
    """Decisions on a path and what is told of each, as `kmflow files why` tells them."""
    own = group.own.explaining()
    (found,) = explain_file(group.id, path, caller=group.caller, **own).stories
    return [(step.decision, step.message) for step in found.steps]
