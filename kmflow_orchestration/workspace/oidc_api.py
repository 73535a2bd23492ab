"""Where OAuth clients find the token endpoint, and the endpoint itself."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services

_GRANT = "client_credentials"


def routes(services: Services) -> list[Route]:
    """Discovery and tokens; both are asked without a token."""

    async def discovery(request: Request) -> Response:
        oidc = f"{request.url.scheme}://{request.url.netloc}/oidc"
        return JSONResponse(
            {
                "issuer": oidc,
                "authorization_endpoint": f"{oidc}/v1/authorize",
                "token_endpoint": f"{oidc}/v1/token",
                "grant_types_supported": [_GRANT],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
            }
        )

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        client_id, secret = _client(request.headers.get("authorization", ""), form)
        services.request_log.saw(secret)
        if form.get("grant_type") != _GRANT:
            return _refused(400, "unsupported_grant_type", f"only {_GRANT} is supported")
        scope = form.get("scope", "")
        made = await run_in_threadpool(services.oauth.issue, client_id, secret, scope)
        if made is None:
            return _refused(401, "invalid_client", "Client authentication failed")
        return JSONResponse(
            {
                "access_token": made.text,
                "token_type": "Bearer",
                "expires_in": made.lifetime_s,
                "scope": made.scope,
            },
            headers={"Cache-Control": "no-store"},
        )

    return [
        Route("/oidc/.well-known/oauth-authorization-server", discovery, methods=["GET"]),
        Route("/oidc/v1/token", token, methods=["POST"]),
    ]


def _client(authorization: str, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, from the header or the form; ('', '') when there are none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret


def _refused(status: int, error: str, description: str) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status_code=status)
