"""Is the service there, and which storage does it serve (row B27)."""

from __future__ import annotations

from fastapi import APIRouter, Request

from kmflow_orchestration.clock import iso
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.schemas import Health

router = APIRouter()


@router.get("/api/v1/health")
async def health(request: Request) -> Health:
    """Open to everybody; asks nobody."""
    dependencies: ServiceDependencies = request.app.state.dependencies
    return Health(storage=dependencies.storage, timestamp=iso(dependencies.clock.now()))
