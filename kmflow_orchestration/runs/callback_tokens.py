"""Signed, expiring tokens that let one run, and no other, report its completion (row E27)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import CallbackRejected, ConfigurationError
from kmflow_orchestration.profiling.body_signature import body_signature

_VERSION = "v1"
# Version, expiry in seconds since 1970, and the 32 bytes of the MAC in base64url.
_TOKEN = re.compile(r"v1\.(?P<expiry>[0-9]{1,12})\.(?P<mac>[A-Za-z0-9_-]{43})")
# A token outlives its run's deadline by this much, because a sender may try for a while.
GRACE = timedelta(hours=1)
_SHORTEST_KEY = 32


@dataclass(frozen=True, slots=True)
class CallbackKeys:
    """Keys of the service: the first signs, all verify, so that a key can be replaced in peace.

    `signature_required` refuses a completion whose body is not signed; one that is must be right.
    """

    keys: tuple[Secret, ...]
    signature_required: bool = False

    @classmethod
    def of(cls, secret: Secret, *, signature_required: bool = False) -> CallbackKeys:
        """Reads one key, or the new and the old one on two lines.

        Raises:
            ConfigurationError: more than two keys, or one of under 32 characters.
        """
        texts = secret.reveal().split()
        if len(texts) not in {1, 2} or any(len(text) < _SHORTEST_KEY for text in texts):
            raise ConfigurationError(
                "the callback key must be one key of at least 32 characters, or two on two lines",
                fields=("KMFLOW_CALLBACK_KEY",),
            )
        return cls(tuple(Secret(text) for text in texts), signature_required)

    def mint(self, profile_run_id: str, table_group_id: str, *, deadline: datetime) -> Secret:
        """The token of a run, good until an hour after its deadline."""
        expiry = int((deadline + GRACE).timestamp())
        mac = _mac(self.keys[0], profile_run_id, table_group_id, str(expiry))
        return Secret(f"{_VERSION}.{expiry}.{mac}")

    def verify(
        self,
        authorization: str | None,
        profile_run_id: str,
        table_group_id: str,
        *,
        now: datetime,
    ) -> None:
        """Check an `Authorization` header; looks nothing up, so ids cannot be probed.

        Raises:
            CallbackRejected: 401 when missing, malformed, of another scheme or expired; 403 when
                it does not belong to this run.
        """
        scheme, token = _credentials(authorization)
        parts = _TOKEN.fullmatch(token)
        if scheme != "bearer" or parts is None:
            raise CallbackRejected("a bearer token of this service is required", http_status=401)
        if int(parts["expiry"]) < now.timestamp():
            raise CallbackRejected("the token has expired", http_status=401)
        fits = [
            hmac.compare_digest(
                _mac(key, profile_run_id, table_group_id, parts["expiry"]), parts["mac"]
            )
            for key in self.keys
        ]
        if not any(fits):
            raise CallbackRejected("the token is not this run's", http_status=403)

    def verify_body(self, authorization: str | None, body: bytes, signature: str | None) -> None:
        """Check the signature that came with a body; its key is the token, which is checked first.

        Raises:
            CallbackRejected: 401 when it is wrong, or missing and required.
        """
        if signature is None:
            if self.signature_required:
                raise CallbackRejected("the body must be signed", http_status=401)
            return
        wanted = body_signature(_credentials(authorization)[1], body)
        if not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
            raise CallbackRejected("the body's signature does not fit", http_status=401)


def _credentials(authorization: str | None) -> tuple[str, str]:
    """Scheme in lower case, and what follows it."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return scheme.lower(), token.strip()


def _mac(key: Secret, profile_run_id: str, table_group_id: str, expiry: str) -> str:
    message = f"{_VERSION}\n{profile_run_id}\n{table_group_id}\n{expiry}"
    signed = message.encode("utf-8", "surrogateescape")
    digest = hmac.new(key.reveal().encode(), signed, hashlib.sha256)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
