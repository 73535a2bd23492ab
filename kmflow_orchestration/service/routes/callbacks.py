"""Completions of profile runs (row E28)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from kmflow_orchestration.errors import CompletionTooLarge, ConfigurationError, UnknownRun
from kmflow_orchestration.metadata.profile_records import Applied
from kmflow_orchestration.names import GroupId, is_id
from kmflow_orchestration.profiling.body_signature import SIGNATURE_HEADER
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import MAX_ANOMALIES, apply_completion
from kmflow_orchestration.runs.run_state import Actor
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.schemas import ProfileRunCompleteRequest

MAX_BODY_BYTES = 16 * 1024 * 1024
_PATH = "/data-quality/testgen/profile-runs/{profile_run_id}/complete"

router = APIRouter()


@router.post(_PATH, status_code=204)
@router.post(f"/api/v1{_PATH}", status_code=204)
async def complete_profile_run(
    profile_run_id: str, request: Request, group_id: str = "", table_group_id: str = ""
) -> Response:
    """End a run with what it found; a repeat changes nothing and says so in its header.

    Group and table group stand in the query, as `CallbackSettings.url` made it.
    """
    dependencies: ServiceDependencies = request.app.state.dependencies
    keys, authorization = _keys(dependencies), request.headers.get("authorization")
    # Before anything is read or looked up, so that ids cannot be probed.
    keys.verify(authorization, profile_run_id, table_group_id, now=dependencies.clock.now())
    body = await _limited_body(request)
    keys.verify_body(authorization, body, request.headers.get(SIGNATURE_HEADER))

    def apply() -> Applied:
        completion = ProfileRunCompleteRequest.model_validate_json(body)
        if len(completion.anomalies) > MAX_ANOMALIES:
            raise CompletionTooLarge(f"at most {MAX_ANOMALIES} anomalies are taken")
        return apply_completion(
            _group(group_id),
            profile_run_id,
            completion.to_completion(attempt=_attempt(request)),
            runs=dependencies.runs,
            by=Actor.CALLBACK,
            clock=dependencies.clock,
        )

    applied = await run_in_threadpool(apply)
    flag = "true" if applied.applied else "false"
    return Response(status_code=204, headers={"X-KMFlow-Applied": flag})


def _keys(dependencies: ServiceDependencies) -> CallbackKeys:
    """Raises ConfigurationError: no key, so no completion can be told from a forged one."""
    if dependencies.keys is None:
        raise ConfigurationError(
            "this service has no callback key", fields=("KMFLOW_CALLBACK_KEY",)
        )
    return dependencies.keys


def _attempt(request: Request) -> int:
    """Which execution of the platform's task reports, from `Idempotency-Key: <run>:<attempt>`."""
    text = request.headers.get("idempotency-key", "").rpartition(":")[2]
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else 1


def _group(text: str) -> GroupId:
    """The group to look the run up in. Raises UnknownRun: what is no id has no runs."""
    if not is_id(text):
        raise UnknownRun("no such profile run")
    return GroupId(text)


async def _limited_body(request: Request) -> bytes:
    """The body; refused as soon as it is known to be too long. Raises CompletionTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise CompletionTooLarge(f"a body of over {MAX_BODY_BYTES} bytes")
    return bytes(body)
