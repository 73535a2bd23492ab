"""What a group has stored, for whoever asks item by item (row B28)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item


@dataclass(frozen=True, slots=True)
class EvidencePage:
    """Some items, newest first, and how many there are in all."""

    items: tuple[Item, ...]
    total: int


def find_evidence(group: str, item_id: str, *, caller: Caller, register: EvidenceRegister) -> Item:
    """One item of a group, also one that was deleted.

    Raises:
        CallerRefused: the group is none of the caller's.
        UnknownEvidence: the group has no such item.
    """
    return register.find(caller.require(Role.VIEWER, group), item_id)


def page_of_evidence(
    group: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    engagement: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> EvidencePage:
    """Items of a group, or of one engagement of it, newest first; deleted ones too.

    Raises:
        CallerRefused: the group is none of the caller's.
        UnknownEngagement: the group has no engagement of that id.
    """
    own = caller.require(Role.VIEWER, group)
    items, total = register.page(own, engagement=engagement, limit=limit, offset=offset)
    return EvidencePage(tuple(items), total)
