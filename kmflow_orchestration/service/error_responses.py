"""Our errors as HTTP answers: one table, by type (rows A5, A7, E5, E27, E28).

Every answer that is none of the route's own has the same body: `error` (a stable code), `detail`,
`retryable`, and where they are known `table_group_id`, `profile_run_id`, `databricks_error_code`,
`current_status` and, for values that are wrong, `fields`: each with the rule it breaks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from kmflow_orchestration.errors import (
    AccessRefused,
    AppendOnly,
    BackupError,
    CallbackRejected,
    CallerRefused,
    CompletionRefused,
    CompletionTooLarge,
    ConfigurationError,
    DatabricksConversionError,
    EvidenceGone,
    EvidenceNotIntact,
    GroupDisabled,
    GroupMismatch,
    InvalidSettings,
    KmflowError,
    LeaseHeld,
    MissingGroup,
    NotAuthenticated,
    OutputChanged,
    OutputError,
    OutputTooLarge,
    ParametersTooLarge,
    PlaceNotAllowed,
    ProfileRunError,
    QuarantinedFile,
    RateLimited,
    RemoteFault,
    RemoteTimeout,
    ResultsMissing,
    RunOutstanding,
    SettingsConflict,
    SqlModelError,
    StateConflict,
    StorageUnavailable,
    TableGroupEmpty,
    TableGroupInactive,
    UnknownEngagement,
    UnknownEvidence,
    UnknownGroup,
    UnknownOutput,
    UnknownRun,
    UnknownTableGroup,
    UnknownToken,
    UnsafePath,
)
from kmflow_orchestration.service.clean_response import CleanResponse

# The first class that fits decides, so leaves stand before their roots.
_STATUS: tuple[tuple[type[KmflowError], int], ...] = (
    (NotAuthenticated, 401),
    (MissingGroup, 401),
    (CallerRefused, 403),
    (GroupMismatch, 403),
    (AppendOnly, 403),
    (GroupDisabled, 409),
    (UnknownGroup, 404),
    (UnknownToken, 404),
    (UnknownOutput, 404),
    (EvidenceGone, 410),
    (UnknownEvidence, 404),
    (UnknownTableGroup, 404),
    (TableGroupEmpty, 404),
    (UnknownRun, 404),
    (SettingsConflict, 409),
    (TableGroupInactive, 409),
    (RunOutstanding, 409),
    (CompletionRefused, 409),
    (LeaseHeld, 409),
    (CompletionTooLarge, 413),
    (OutputTooLarge, 413),
    (ParametersTooLarge, 422),
    (QuarantinedFile, 422),
    (DatabricksConversionError, 422),
    (UnsafePath, 422),
    (PlaceNotAllowed, 403),
    (AccessRefused, 502),
    (UnknownEngagement, 404),
    (InvalidSettings, 422),
    (ConfigurationError, 503),
    (StorageUnavailable, 503),
    (StateConflict, 503),
    (BackupError, 503),
    (RateLimited, 503),
    (RemoteTimeout, 504),
    (OutputChanged, 502),
    (EvidenceNotIntact, 502),
    (ResultsMissing, 502),
    (RemoteFault, 502),
    (OutputError, 422),
    (SqlModelError, 422),
    (ProfileRunError, 422),
)
# What an error may say about itself, by the names a body gives it.
_FACTS = {
    "table_group_id": "table_group_id",
    "profile_run_id": "profile_run_id",
    "error_code": "databricks_error_code",
    "current_status": "current_status",
}


def status_of(error: KmflowError) -> int:
    """HTTP status of an error."""
    if isinstance(error, CallbackRejected):
        return error.http_status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _body(error: KmflowError) -> dict[str, object]:
    facts = {name: getattr(error, attribute, "") for attribute, name in _FACTS.items()}
    return {
        "error": error.code,
        "detail": error.message,
        "retryable": error.retryable,
        **{name: value for name, value in facts.items() if value},
        **({"fields": dict(error.problems)} if isinstance(error, InvalidSettings) else {}),
    }


def _headers(error: KmflowError, status: int) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    wait_s = getattr(error, "retry_after_s", None)
    # Whole seconds, and never an invitation to come at once.
    return headers if wait_s is None else {**headers, "Retry-After": str(max(1, math.ceil(wait_s)))}


async def _answer(_request: Request, error: Exception) -> CleanResponse:
    if not isinstance(error, KmflowError):
        raise error
    status = status_of(error)
    return CleanResponse(_body(error), status_code=status, headers=_headers(error, status))


async def _answer_invalid(_request: Request, error: Exception) -> CleanResponse:
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return _invalid(found)
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    raise error


def _invalid(found: Sequence[Any]) -> CleanResponse:
    """Names the fields and what they must be, never what was sent."""
    fields = {".".join(str(part) for part in item["loc"]) or "body": item["msg"] for item in found}
    detail = "; ".join(f"{name}: {message}" for name, message in fields.items())
    return _plain(422, "invalid_body", detail, fields=fields)


async def _answer_http(_request: Request, error: Exception) -> CleanResponse:
    """Paths and methods that are none of ours."""
    if not isinstance(error, HTTPException):
        raise error
    word = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return _plain(error.status_code, word, error.detail, headers=error.headers)


async def _answer_defect(_request: Request, _error: Exception) -> CleanResponse:
    """A defect of ours: the server logs it; its text could hold anything, so it is not told."""
    return _plain(500, "internal_error", "an unexpected error of the service")


def _plain(
    status: int,
    error: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> CleanResponse:
    body = {"error": error, "detail": detail, "retryable": False}
    told = body if fields is None else {**body, "fields": fields}
    return CleanResponse(told, status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error an answer with its status and a body of one form."""
    app.add_exception_handler(KmflowError, _answer)
    app.add_exception_handler(ValidationError, _answer_invalid)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_defect)
