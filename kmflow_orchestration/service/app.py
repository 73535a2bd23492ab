"""The web service: completions of runs, health, evidence, and what a token is good for."""

from __future__ import annotations

from fastapi import FastAPI

from kmflow_orchestration import __version__
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.service import error_responses
from kmflow_orchestration.service.clean_response import CleanResponse
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.routes import callbacks, evidence, files, health, me


def create_app(dependencies: ServiceDependencies) -> FastAPI:
    """The application; it opens and closes nothing of its own.

    From now on nothing that its process logs or answers shows a secret.
    """
    install_redaction()
    app = FastAPI(
        title="kmflow",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        default_response_class=CleanResponse,
    )
    app.state.dependencies = dependencies
    error_responses.install(app)
    app.include_router(health.router)
    if dependencies.health is not None:
        app.include_router(health.detail_router)
    app.include_router(callbacks.router)
    app.include_router(me.router)
    if dependencies.group is not None:
        app.include_router(evidence.router)
        app.include_router(files.router)
    return app
