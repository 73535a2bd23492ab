"""Is the service there, and which storage does it serve (row B27)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import iso
from kmflow_orchestration.operations.health import HealthStatus, open_health
from kmflow_orchestration.service.authentication import SignedIn, signed_in
from kmflow_orchestration.service.dependencies import HealthOf, ServiceDependencies
from kmflow_orchestration.service.schemas import Health, HealthDetail, StorageDetail

router = APIRouter()
detail_router = APIRouter()


@router.get("/api/v1/health")
async def health(request: Request) -> Health:
    """Open to everybody; asks nobody."""
    dependencies: ServiceDependencies = request.app.state.dependencies
    found = open_health(dependencies.storage, dependencies.clock)
    return Health(status=found.status, storage=found.storage, timestamp=iso(found.timestamp))


@detail_router.get("/api/v1/health/detail")
def health_detail(
    request: Request,
    response: Response,
    who: Annotated[SignedIn, Depends(signed_in(Role.VIEWER))],
) -> HealthDetail:
    """How the group's services are; 503 when all of them are down."""
    look: HealthOf = request.app.state.dependencies.health
    found = look(who.group, who.caller)
    if found.status is HealthStatus.UNHEALTHY:
        response.status_code = 503
    storage, last = found.storage, found.storage.last_write_at
    return HealthDetail(
        status=found.status,
        services={name: "up" if is_up else "down" for name, is_up in found.services.items()},
        version=found.version,
        timestamp=iso(found.timestamp),
        storage=StorageDetail(
            backend=storage.backend,
            configured_for=list(storage.configured_for),
            reachable=storage.reachable,
            latency_ms=storage.latency_ms,
            metadata_pending=storage.metadata_pending,
            mirror_owed=storage.mirror_owed,
            last_write_at=None if last is None else iso(last),
        ),
    )
