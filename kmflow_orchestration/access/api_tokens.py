"""API tokens: `kmf_<group>.<public id>.<secret>`, of which we keep the secret's digest only.

The secret is 256 random bits, so its plain SHA-256 tells an attacker nothing: there is no list of
likely values to try. A slow, salted hash (argon2) is for passwords that people choose; here it
would cost 50 ms of every request and protect nothing more (docs/decisions/0007).

The group stands in the token so that the very look-up is within one group (row A4). Writing
another group there finds no row, or one whose digest does not fit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.names import GroupId

PREFIX = "kmf_"
_FORM = re.compile(rf"{PREFIX}([a-z0-9][a-z0-9_-]{{0,62}})\.([0-9a-f]{{16}})\.([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class TokenParts:
    """A token taken apart; `digest` is that of its secret."""

    group: GroupId
    token_id: str
    digest: str


def new_token(group: GroupId) -> tuple[Secret, TokenParts]:
    """A fresh token, to be shown once, and the parts that are kept."""
    token_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    text = f"{PREFIX}{group}.{token_id}.{secret}"
    return Secret(text), TokenParts(group, token_id, _digest(secret))


def parse_token(text: str) -> TokenParts | None:
    """The parts of a token; None for a text of another form."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    group, token_id, secret = found.groups()
    return TokenParts(GroupId(group), token_id, _digest(secret))


def bearer_token(authorization: str | None) -> TokenParts | None:
    """The parts of the token in an `Authorization` header; None when there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return parse_token(token.strip()) if scheme.lower() == "bearer" else None


def basic_token(authorization: str | None) -> TokenParts | None:
    """The parts of the token a browser was given as the password of any name (RFC 7617)."""
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name_and_password = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # no base64, or no UTF-8 in it
        return None
    return parse_token(name_and_password.partition(":")[2].strip())


def same_digest(one: str, other: str) -> bool:
    """Compared in a time that does not tell how much of them is equal."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
