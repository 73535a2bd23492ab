"""Evidence of the caller's group: lists, items, and their bytes (row B28)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.errors import UnknownEngagement, UnknownEvidence
from kmflow_orchestration.operations.download_evidence import open_download
from kmflow_orchestration.operations.read_evidence import find_evidence, page_of_evidence
from kmflow_orchestration.service.authentication import SignedIn, signed_in
from kmflow_orchestration.service.dependencies import GroupOf
from kmflow_orchestration.service.download_response import DownloadResponse
from kmflow_orchestration.service.schemas import Evidence, EvidenceList

router = APIRouter(prefix="/api/v1/evidence")

Viewer = Annotated[SignedIn, Depends(signed_in(Role.VIEWER))]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("")
@router.get("/")
def list_evidence(
    request: Request,
    who: Viewer,
    engagement_id: str | None = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> EvidenceList:
    """Evidence of the group, or of one engagement of it, newest first; deleted items too."""
    return _page(request, who, engagement_id, limit, offset)


@router.get("/{evidence_id}")
def one_evidence(
    evidence_id: str, request: Request, who: Viewer, limit: Limit = 20, offset: Offset = 0
) -> Evidence | EvidenceList:
    """One item; an engagement's id gives its list instead (settlement AB-S8)."""
    own = _own(request, who)
    try:
        return Evidence.of(
            find_evidence(own.id, evidence_id, caller=who.caller, **own.reading_evidence())
        )
    except UnknownEvidence as unknown:
        try:
            return _page(request, who, evidence_id, limit, offset)
        except UnknownEngagement:
            raise unknown from None


@router.get("/{evidence_id}/download")
def download_evidence(evidence_id: str, request: Request, who: Viewer) -> DownloadResponse:
    """An item's bytes, checked against its hash while they are sent."""
    own = _own(request, who)
    return DownloadResponse(
        open_download(own.id, evidence_id, caller=who.caller, **own.downloading())
    )


def _page(
    request: Request, who: SignedIn, engagement: str | None, limit: int, offset: int
) -> EvidenceList:
    own = _own(request, who)
    found = page_of_evidence(
        own.id,
        caller=who.caller,
        engagement=engagement,
        limit=limit,
        offset=offset,
        **own.reading_evidence(),
    )
    return EvidenceList(items=[Evidence.of(item) for item in found.items], total=found.total)


def _own(request: Request, who: SignedIn) -> GroupContext:
    group_of: GroupOf = request.app.state.dependencies.group
    return group_of(who.group)
