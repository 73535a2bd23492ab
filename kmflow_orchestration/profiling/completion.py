"""The signed message with which a run reports its end (rows E25, E26)."""

from __future__ import annotations

import http.client
import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.profiling.body_signature import SIGNATURE_HEADER, body_signature
from kmflow_orchestration.redaction import redact

logger = logging.getLogger(__name__)

TIMEOUT_S = 15.0
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST_ERROR = 2_000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SECRETS = re.compile(
    r"(?i)\bbearer\s+\S+|\bdapi[0-9a-f]{8,}\S*|\bv1\.\d+\.[\w-]+|"
    r"\b(?:password|passwd|pwd|secret|token|api_?key|sig)\s*[=:]\s*[^\s,;&]+"
)


def check_url(url: str) -> str:
    """A callback's address.

    Raises:
        ConfigurationError: neither https nor on this very machine.
    """
    with suppress(ValueError):  # brackets that hold no address
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return url
        if parts.scheme == "http" and parts.hostname in _LOOPBACK:
            return url
    raise ConfigurationError("the callback URL must be https", fields=("callback_url",))


def without_secrets(text: str, *known: str) -> str:
    """The text with everything that looks like a secret, and the known ones, replaced by `***`.

    Stricter than `redact`, because these are other people's words: `password: x` is enough.
    """
    for secret in known:
        if secret:
            text = text.replace(secret, "***")
    return _SECRETS.sub("***", redact(text))


def failure_text(error: BaseException, *known_secrets: str) -> str:
    """What may be told of a fault: its type and its words, at most 2000 characters, no secrets."""
    return without_secrets(f"{type(error).__name__}: {error}", *known_secrets)[:LONGEST_ERROR]


def failure_body(error: BaseException, *known_secrets: str) -> dict[str, Any]:
    """What is reported of a run that failed."""
    return {"status": "failed", "error_message": failure_text(error, *known_secrets)}


def post_completion(
    body: Mapping[str, Any], *, url: str, token: str, idempotency_key: str, clock: Clock
) -> bool:
    """Send the message, with five more tries on 429, 5xx and network faults; whether it was taken.

    It is signed, whether or not the receiver asks for that.
    Never raises for what the receiver does: results are stored, and the poller ends the run.

    Raises:
        ConfigurationError: an address that `check_url` refuses.
    """
    content = json.dumps(body, allow_nan=False, default=str).encode()
    request = urllib.request.Request(  # noqa: S310 - checked just below
        check_url(url),
        data=content,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key,
            SIGNATURE_HEADER: body_signature(token, content),
        },
        method="POST",
    )
    for wait in (*WAITS_S, None):
        verdict = _send(request)
        if verdict.done:
            return verdict.taken
        if wait is not None:
            clock.sleep(wait)
    logger.warning("completion not delivered; the poller will end the run")
    return False


class _Verdict:
    """What one try came to."""

    __slots__ = ("done", "taken")

    def __init__(self, *, done: bool, taken: bool) -> None:
        self.done = done
        self.taken = taken


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Following one would hand the token to whoever sent it."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _send(request: urllib.request.Request) -> _Verdict:
    handlers: list[Any] = [_NoRedirects()]
    if request.host.rsplit(":", 1)[0].strip("[]") in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            logger.info("completion taken with status %s", answer.status)
            return _Verdict(done=True, taken=True)
    except urllib.error.HTTPError as error:
        error.close()
        again = error.code == 429 or error.code >= 500
        logger.warning("completion answered with status %s", error.code)
        return _Verdict(done=not again, taken=False)
    except (OSError, http.client.HTTPException) as error:
        logger.warning("completion not sent: %s", type(error).__name__)
        return _Verdict(done=False, taken=False)
