"""Where OAuth clients find the token endpoint, and the endpoint itself."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.oauth import AccessToken
from kmflow_orchestration.workspace.services import Services

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_GRANTS = ("client_credentials", "authorization_code", "refresh_token", _EXCHANGE)


def routes(services: Services) -> list[Route]:
    """Discovery, consent and tokens; all are asked without a token."""

    async def discovery(request: Request) -> Response:
        oidc = f"{request.url.scheme}://{request.url.netloc}/oidc"
        return JSONResponse(
            {
                "issuer": oidc,
                "authorization_endpoint": f"{oidc}/v1/authorize",
                "token_endpoint": f"{oidc}/v1/token",
                "grant_types_supported": [*_GRANTS],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                    "none",
                ],
            }
        )

    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        code = services.user_logins.code(asked)
        if code is None:
            return _refused(400, "invalid_request", "Nobody is signed in, or this is no PKCE")
        back = urlencode({"code": code, "state": asked.get("state", "")})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", status_code=302)

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        client_id, secret = _client(request.headers.get("authorization", ""), form)
        for sent in (secret, form.get("refresh_token", ""), form.get("subject_token", "")):
            services.request_log.saw(sent)
        return await run_in_threadpool(_answer, services, form, client_id, secret)

    return [
        Route("/oidc/.well-known/oauth-authorization-server", discovery, methods=["GET"]),
        Route("/oidc/v1/authorize", authorize, methods=["GET"]),
        Route("/oidc/v1/token", token, methods=["POST"]),
    ]


def _answer(services: Services, form: dict[str, str], client_id: str, secret: str) -> Response:
    grant = form.get("grant_type")
    if grant == "client_credentials":
        made = services.oauth.issue(client_id, secret, form.get("scope", ""))
        if made is None:
            return _refused(401, "invalid_client", "Client authentication failed")
        return _granted(made)
    if grant == _EXCHANGE:
        made = services.federation.exchange(form)
        return _no_grant() if made is None else _granted(made)
    logins = services.user_logins
    find = {"authorization_code": logins.exchange, "refresh_token": logins.refresh}.get(str(grant))
    if find is None:
        return _refused(400, "unsupported_grant_type", f"one of {', '.join(_GRANTS)} is supported")
    user = find(form)
    return _no_grant() if user is None else _granted(user.access, user.refresh)


def _granted(made: AccessToken, refresh: str = "") -> Response:
    body: dict[str, str | int] = {
        "access_token": made.text,
        "token_type": "Bearer",
        "expires_in": made.lifetime_s,
        "scope": made.scope,
    }
    if refresh:
        body["refresh_token"] = refresh
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _no_grant() -> Response:
    return _refused(400, "invalid_grant", "What was given is over, used, or another's")


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
