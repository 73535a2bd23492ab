"""How a completion's body is signed: the same for who sends it and who checks it (row E27)."""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE_HEADER = "X-KMFlow-Signature"


def body_signature(token: str, body: bytes) -> str:
    """Value of the header: `sha256=` and the HMAC of the body in hex, its key the run's token.

    The token is known to the run's job and to the service alone, and only for that run: a body
    cannot be changed on its way, nor be sent for another run.
    """
    return "sha256=" + hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
