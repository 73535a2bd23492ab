"""OAuth of a user (U2M): a sign-in that a person once made in a browser, renewed from then on.

Our own around the SDK's parts, whose method waits for a browser for ever, also in a daemon that
nobody looks at, and does not keep the newer of two refresh tokens, of which the older is worthless.
"""

from __future__ import annotations

import logging
import sys
import webbrowser
from collections.abc import Callable
from typing import Any

from databricks.sdk import oauth
from databricks.sdk.credentials_provider import CredentialsStrategy

from kmflow_orchestration.databricks_client.browser_answer import listening

_log = logging.getLogger(__name__)

KIND = "external-browser"
# The application that Databricks has for tools without one of their own, and where it leads back.
_CLIENT = "databricks-cli"
_REDIRECT = "http://localhost:8020"
# Enough for a second factor and a colleague's approval; nobody comes back to it later.
_LIMIT_S = 300.0


def somebody_is_here() -> bool:
    """Whether a person can be asked to sign in: at a terminal, not in a daemon or a run."""
    return sys.stdin is not None and sys.stdin.isatty()


class BrowserStrategy(CredentialsStrategy):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's cached sign-in for this host; where there is none, a browser, if anybody is there.

    `limit_s` is how many seconds a person has in the browser that `open_page` opens.
    Raises ValueError, as the SDK's strategies do: nobody is signed in, and nobody is there. Raises
    SignInTimedOut, SignInRefused and SignInPortTaken, which say what to do.
    """

    def __init__(
        self,
        *,
        redirect_url: str = _REDIRECT,
        is_attended: Callable[[], bool] = somebody_is_here,
        open_page: Callable[[str], bool] = webbrowser.open_new,
        limit_s: float = _LIMIT_S,
    ) -> None:
        self._redirect_url = redirect_url
        self._is_attended = is_attended
        self._open_page = open_page
        self._limit_s = limit_s

    def auth_type(self) -> str:
        return KIND

    def __call__(self, cfg: Any) -> Callable[[], dict[str, str]]:
        client_id = cfg.client_id or _CLIENT
        endpoints = cfg.oidc_endpoints
        cache = oauth.TokenCache(
            host=cfg.host,
            oidc_endpoints=endpoints,
            client_id=client_id,
            redirect_url=self._redirect_url,
        )
        credentials = cache.load()
        if credentials is None or not _is_good(credentials):
            if not self._is_attended():
                raise ValueError(
                    f"nobody is signed in to {cfg.host}: sign in at a terminal of this user first"
                )
            asking = oauth.OAuthClient(endpoints, self._redirect_url, client_id)
            credentials = self._consented(asking.initiate_consent())
        return _Kept(credentials, cache).headers

    def _consented(self, consent: Any) -> Any:
        """Asks in a browser; listens before that, so that no answer comes too early."""
        with listening(self._redirect_url, consent.as_dict()["state"]) as answer:
            if not self._open_page(consent.authorization_url):
                _log.warning(
                    "no browser opens here; open this address in one: %s", consent.authorization_url
                )
            query = answer.wait(self._limit_s)
        return consent.exchange_callback_parameters(query)


class _Kept:
    """A sign-in whose newest tokens lie in the cache."""

    def __init__(self, credentials: Any, cache: Any) -> None:
        self._credentials = credentials
        self._cache = cache
        self._saved = ""

    def headers(self) -> dict[str, str]:
        token = self._credentials.token()
        if token.access_token != self._saved:
            self._cache.save(self._credentials)
            self._saved = token.access_token
        return {"Authorization": f"Bearer {token.access_token}"}


def _is_good(credentials: Any) -> bool:
    """Whether there is a token, or one can be had."""
    try:
        credentials.token()
    except ValueError:
        return False
    return True
