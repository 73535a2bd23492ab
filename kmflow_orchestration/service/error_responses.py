"""Our errors as HTTP answers: one table (rows A5, A7, E5, E27, E28)."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from kmflow_orchestration.errors import (
    AccessRefused,
    CallbackRejected,
    CompletionRefused,
    CompletionTooLarge,
    ConfigurationError,
    GroupDisabled,
    GroupRefused,
    KmflowError,
    MissingGroup,
    NotAuthenticated,
    OutputTooLarge,
    PlaceNotAllowed,
    RemoteFault,
    RoleRefused,
    RunOutstanding,
    SettingsConflict,
    StateConflict,
    StorageUnavailable,
    UnknownGroup,
    UnknownRun,
    UnknownToken,
)

# The first class that fits decides, so leaves stand before their roots.
_STATUS: tuple[tuple[type[KmflowError], int], ...] = (
    (NotAuthenticated, 401),
    (MissingGroup, 401),
    (RoleRefused, 403),
    (GroupRefused, 403),
    (GroupDisabled, 409),
    (UnknownGroup, 404),
    (UnknownToken, 404),
    (SettingsConflict, 409),
    (UnknownRun, 404),
    (RunOutstanding, 409),
    (CompletionRefused, 409),
    (CompletionTooLarge, 413),
    (OutputTooLarge, 413),
    (PlaceNotAllowed, 403),
    (ConfigurationError, 503),
    (StorageUnavailable, 503),
    (StateConflict, 503),
    (AccessRefused, 502),
    (RemoteFault, 502),
)


def status_of(error: KmflowError) -> int:
    """HTTP status of an error."""
    if isinstance(error, CallbackRejected):
        return error.http_status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _body(error: KmflowError) -> dict[str, object]:
    body: dict[str, object] = {
        "error": error.code,
        "detail": error.message,
        "retryable": error.retryable,
    }
    for name in ("profile_run_id", "current_status"):
        if hasattr(error, name):
            body[name] = getattr(error, name)
    if isinstance(error, RemoteFault) and error.error_code:
        body["databricks_error_code"] = error.error_code
    return body


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, KmflowError):
        raise error
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(_body(error), status_code=status, headers=headers)


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ValidationError):
        raise error
    fields = {
        ".".join(str(part) for part in item["loc"]) or "body": item["msg"]
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    }
    return JSONResponse(
        {
            "error": "invalid_body",
            "detail": "; ".join(f"{name}: {message}" for name, message in fields.items()),
            "fields": fields,
            "retryable": False,
        },
        status_code=422,
    )


def install(app: FastAPI) -> None:
    """Make every error of ours an answer with its status."""
    app.add_exception_handler(KmflowError, _answer)
    app.add_exception_handler(ValidationError, _answer_invalid)
