"""Tokens of another issuer, exchanged for the workspace's own (workload identity federation).

A policy says whose tokens stand for which service principal: issuer, subject, audience, and the
issuer's public key, which a real workspace fetches from the issuer.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.workspace.oauth import AccessToken, OAuth
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller


@dataclass(frozen=True, slots=True)
class FederationPolicy:
    """Who may stand for `caller`; `public_key` is the issuer's, as PEM."""

    caller: Caller
    issuer: str
    subject: str
    audience: str
    public_key: bytes


class Federation:
    """Policies by the client id of their service principal; they live as long as the server."""

    def __init__(self, state: WorkspaceState, oauth: OAuth) -> None:
        self._state = state
        self._oauth = oauth
        self._policies: dict[str, FederationPolicy] = {}

    def add_policy(self, policy: FederationPolicy) -> str:
        """Accept such tokens from now on; the client id to ask with."""
        client_id = self._oauth.client_id(policy.caller)
        self._policies[client_id] = policy
        return client_id

    def exchange(self, form: dict[str, str]) -> AccessToken | None:
        """An access token for an issuer's; None when no policy accepts it."""
        client_id = form.get("client_id", "")
        policy = self._policies.get(client_id)
        if policy is None or not form.get("subject_token_type", "").endswith(":jwt"):
            return None
        claims = _claims(form.get("subject_token", ""), policy.public_key)
        if claims is None or not self._fits(claims, policy):
            return None
        return self._oauth.grant(policy.caller, client_id, form.get("scope", ""))

    def _fits(self, claims: dict[str, Any], policy: FederationPolicy) -> bool:
        audience = claims.get("aud")
        return (
            (claims.get("iss"), claims.get("sub")) == (policy.issuer, policy.subject)
            and policy.audience in (audience if isinstance(audience, list) else [audience])
            and isinstance(claims.get("exp"), int)
            and claims["exp"] > self._state.clock.now().timestamp()
        )


def _claims(token: str, public_key: bytes) -> dict[str, Any] | None:
    """What a token says, when the key's owner signed it (RS256)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key)
    try:
        head, body, signature = token.split(".")
        if json.loads(_decoded(head)).get("alg") != "RS256" or not isinstance(key, RSAPublicKey):
            return None
        key.verify(_decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
        claims = json.loads(_decoded(body))
    except (ValueError, binascii.Error, InvalidSignature, AttributeError):
        return None
    return claims if isinstance(claims, dict) else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
