"""Row D7: users (U2M), and workloads with a token of another issuer (OIDC).

The embedded workspace's `/oidc` speaks OAuth as Databricks does, with PKCE, refresh tokens that are
good once, and signed tokens of another issuer that are really verified.
"""

from __future__ import annotations

import base64
import json
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from databricks.sdk import oauth

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretSources
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.databricks_client.browser_sign_in import BrowserStrategy
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.sdk_sign_in import GivenSettings
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import (
    CredentialError,
    RemoteFault,
    SignInPortTaken,
    SignInRefused,
    SignInTimedOut,
)
from kmflow_orchestration.workspace.federation import FederationPolicy
from kmflow_orchestration_tests.databricks_client.signing_in import TOKEN_ENDPOINT, SigningIn
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

CLIENT, REDIRECT = "databricks-cli", "http://localhost:8020"
ISSUER, SUBJECT, AUDIENCE = "https://issuer.test", "repo:acme/pipeline", "kmflow"


@pytest.fixture
def acme(
    room: Room, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[SigningIn]:
    """Of a person who never signed in to anything."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    opened = SigningIn(room, clock)
    yield opened
    opened.close()
    room.server.services.user_logins.in_browser = None
    room.server.services.oauth.lifetime_s = 3600


def tokens_fetched(acme: SigningIn) -> int:
    return acme.room.server.requests("POST", TOKEN_ENDPOINT).count(status=200)


# --- users -------------------------------------------------------------------------------------


def endpoints(acme: SigningIn) -> oauth.OidcEndpoints:
    return oauth.get_workspace_endpoints(acme.room.url)


def signed_in(acme: SigningIn) -> oauth.SessionCredentials:
    """What the SDK has after a user consented in the browser."""
    acme.room.server.services.user_logins.in_browser = acme.acme.caller
    consent = oauth.OAuthClient(endpoints(acme), REDIRECT, CLIENT).initiate_consent()
    answer = requests.get(consent.authorization_url, allow_redirects=False, timeout=10)
    back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    return consent.exchange_callback_parameters(back)


def cache(acme: SigningIn) -> oauth.TokenCache:
    return oauth.TokenCache(acme.room.url, endpoints(acme), CLIENT, REDIRECT)


def browser(acme: SigningIn) -> GroupConfig:
    return acme.config(auth_type="external-browser")


def test_a_user_who_signed_in_once_is_signed_in(acme: SigningIn) -> None:
    cache(acme).save(signed_in(acme))

    calls = acme.connect(browser(acme))

    assert acme.use(calls) == "acme-service"
    assert calls.sign_in.kind == calls.auth_kind == "external-browser"


def test_a_users_tokens_are_renewed_and_the_newest_kept_for_the_next_process(
    acme: SigningIn,
) -> None:
    acme.room.server.services.oauth.lifetime_s = 30  # the SDK renews in the last 40 seconds
    cache(acme).save(signed_in(acme))
    fetched = tokens_fetched(acme)

    for _ in range(2):  # each as a process of its own would
        calls = acme.connect(browser(acme))
        assert [acme.use(calls) for _ in range(2)] == ["acme-service"] * 2

    assert tokens_fetched(acme) >= fetched + 8
    assert acme.room.server.requests("POST", TOKEN_ENDPOINT).count(status=400) == 0


def test_where_nobody_is_to_sign_in_nothing_waits_for_a_browser(acme: SigningIn) -> None:
    with pytest.raises(CredentialError, match="nobody is signed in to http") as refusal:
        acme.connect(browser(acme))
    assert refusal.value.exit_code == 3


def test_a_sign_in_that_has_ended_is_told(acme: SigningIn) -> None:
    acme.room.server.services.oauth.lifetime_s = 30
    ended = signed_in(acme)
    cache(acme).save(ended)
    ended.token()  # elsewhere, so that the refresh token in the cache is used up

    with pytest.raises(CredentialError, match="nobody is signed in"):
        acme.connect(browser(acme))


@pytest.fixture
def redirect() -> str:
    """An address of this machine where nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://localhost:{taken.getsockname()[1]}"


@dataclass
class Browser:
    """Follows redirects in a thread of its own, after what else it asks for; has no window."""

    acme: SigningIn
    redirect: str
    before: tuple[str, ...] = ()
    opens: bool = True
    status: list[int] = field(default_factory=list)

    def open(self, url: str) -> bool:
        def go() -> None:
            for path in self.before:
                self.status.append(requests.get(self.redirect + path, timeout=10).status_code)
            self.status.append(requests.get(self.address(url), timeout=10).status_code)

        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()
        return self.opens

    def address(self, url: str) -> str:
        return url

    def sign_in(self, limit_s: float = 60.0) -> None:
        strategy = BrowserStrategy(
            redirect_url=self.redirect,
            is_attended=lambda: True,
            open_page=self.open,
            limit_s=limit_s,
        )
        try:
            GivenSettings(host=self.acme.room.url, credentials_strategy=strategy).authenticate()
        finally:
            self.thread.join(10)


class Quick(Browser):
    """Back before whoever opened it goes on."""

    def open(self, url: str) -> bool:
        opened = super().open(url)
        self.thread.join(10)
        return opened


class Refusing(Browser):
    """Its person declines."""

    def address(self, url: str) -> str:
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        return f"{self.redirect}/?error=access_denied&error_description=Not+today&state={state}"


class Shut(Browser):
    """Its person closes the tab."""

    def address(self, url: str) -> str:
        return f"{self.redirect}/favicon.ico"


@pytest.fixture
def consenting(acme: SigningIn) -> SigningIn:
    acme.room.server.services.user_logins.in_browser = acme.acme.caller
    return acme


@pytest.mark.parametrize("kind", [Browser, Quick])
def test_a_person_at_a_terminal_signs_in_with_the_browser(
    consenting: SigningIn, redirect: str, kind: type[Browser]
) -> None:
    person = kind(consenting, redirect)
    person.sign_in()

    kept = Path(cache(consenting).filename)
    assert person.status == [200]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert consenting.use(consenting.connect(browser(consenting))) == "acme-service"


def test_what_else_a_browser_asks_for_does_not_end_the_waiting(
    consenting: SigningIn, redirect: str
) -> None:
    stray = ("/favicon.ico", "/", "/?code=1", "/?code=1&state=old", "/?error=no", "/x?%FF=%FF")
    person = Browser(consenting, redirect, before=stray)
    port = urlsplit(redirect).port

    def with_a_silent_connection(url: str) -> bool:
        silent.append(socket.create_connection(("127.0.0.1", port)))
        return Browser.open(person, url)

    silent: list[socket.socket] = []
    person.open = with_a_silent_connection  # type: ignore[method-assign]
    person.sign_in()

    assert person.status == [*[404] * len(stray), 200]
    silent[0].close()
    assert consenting.use(consenting.connect(browser(consenting))) == "acme-service"


def test_where_no_browser_opens_the_address_is_told(
    consenting: SigningIn, redirect: str, caplog: pytest.LogCaptureFixture
) -> None:
    Browser(consenting, redirect, opens=False).sign_in()

    assert f"open this address in one: {consenting.room.url}/oidc/v1/authorize?" in caplog.text


def test_nobody_waits_for_a_browser_for_ever(consenting: SigningIn, redirect: str) -> None:
    with pytest.raises(SignInTimedOut, match=r"within 0\.2 seconds") as late:
        Shut(consenting, redirect).sign_in(limit_s=0.2)
    assert "begin again" in late.value.hint
    assert not Path(cache(consenting).filename).exists()
    # Its port is free again.
    Browser(consenting, redirect).sign_in()


def test_a_refusal_in_the_browser_is_told(consenting: SigningIn, redirect: str) -> None:
    fetched = tokens_fetched(consenting)
    person = Refusing(consenting, redirect)

    with pytest.raises(SignInRefused, match="access_denied: Not today") as refusal:
        person.sign_in()
    assert (refusal.value.exit_code, person.status) == (4, [403])
    assert tokens_fetched(consenting) == fetched
    assert not Path(cache(consenting).filename).exists()


def test_a_taken_port_is_told_before_anybody_is_asked(consenting: SigningIn, redirect: str) -> None:
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return True

    strategy = BrowserStrategy(redirect_url=redirect, is_attended=lambda: True, open_page=note)
    port = urlsplit(redirect).port
    with (
        socket.create_server(("127.0.0.1", port or 0)),
        pytest.raises(SignInPortTaken, match=f"port {port} of this machine") as taken,
    ):
        GivenSettings(host=consenting.room.url, credentials_strategy=strategy)
    assert "databricks auth login" in taken.value.hint
    assert opened == []


CLI = """#!{python}
import json, sys, urllib.parse, urllib.request
from pathlib import Path
assert sys.argv[1:] == ["auth", "token", "--host", {host!r}], sys.argv
kept = Path({kept!r})
form = dict(grant_type="refresh_token", client_id={client!r}, refresh_token=kept.read_text())
body = urllib.parse.urlencode(form).encode()
with urllib.request.urlopen({host!r} + "/oidc/v1/token", body) as answer:
    token = json.load(answer)
kept.write_text(token["refresh_token"])
# Over at once: it is asked again for each request.
token = {{**token, "expiry": "2020-01-01T00:00:00Z"}}
print(json.dumps(token))
"""


def installed_cli(acme: SigningIn, folder: Path) -> Path:
    """A `databricks` that was signed in to with `auth login`; as large as the real one."""
    kept = folder / "refresh-token"
    kept.write_text(str(signed_in(acme).token().refresh_token))
    path = folder / "databricks"
    text = CLI.format(python=sys.executable, host=acme.room.url, kept=str(kept), client=CLIENT)
    path.write_text(text + "#" * (1 << 20))
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("found_by", ["PATH", "DATABRICKS_CLI_PATH"])
def test_a_user_signs_in_through_the_databricks_cli(
    acme: SigningIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    path = installed_cli(acme, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path if found_by == "PATH" else tmp_path / "nothing"))
    if found_by == "DATABRICKS_CLI_PATH":
        acme.environment[found_by] = str(path)
    fetched = tokens_fetched(acme)

    calls = acme.connect(acme.config(auth_type="databricks-cli"))

    assert acme.use(calls) == "acme-service"
    assert calls.sign_in.kind == "databricks-cli"
    assert tokens_fetched(acme) >= fetched + 2


def test_without_the_cli_it_says_that_it_cannot_sign_in(
    acme: SigningIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CredentialError, match="databricks-cli: the SDK cannot sign in"):
        acme.connect(acme.config(auth_type="databricks-cli"))


# --- tokens of another issuer --------------------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwt(key: rsa.RSAPrivateKey, **claims: Any) -> str:
    """A token of the issuer, good for an hour."""
    body = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": int(time.time()) + 3600}
    parts = [{"alg": "RS256", "typ": "JWT"}, {**body, **claims}]
    text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_encoded(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.fixture
def workload(acme: SigningIn, key: rsa.RSAPrivateKey) -> str:
    """Client id of acme's service principal, for which the issuer's tokens may stand."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    policy = FederationPolicy(acme.acme.caller, ISSUER, SUBJECT, AUDIENCE, public)
    return acme.room.server.services.federation.add_policy(policy)


Handed = Callable[[str], None]
Serve = Callable[[object], str]


@pytest.fixture(params=["env-oidc", "file-oidc", "github-oidc"])
def handed(
    request: pytest.FixtureRequest,
    acme: SigningIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    httpserver_at: Serve,
) -> tuple[str, Handed]:
    """A method, and how its issuer hands a token to this machine."""

    def by_environment(token: str) -> None:
        monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", token)

    def by_file(token: str) -> None:
        (tmp_path / "id-token").write_text(f"{token}\n")
        acme.environment["DATABRICKS_OIDC_TOKEN_FILE"] = str(tmp_path / "id-token")

    def by_server(token: str) -> None:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a-runners-token-4f9d8a7b")
        address = f"{httpserver_at({'value': token})}/id?version=1"
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", address)

    ways = {"env-oidc": by_environment, "file-oidc": by_file, "github-oidc": by_server}
    return request.param, ways[request.param]


def by_oidc(acme: SigningIn, client_id: str, method: str) -> WorkspaceCalls:
    return acme.connect(acme.config(client_id=client_id, auth_type=method))


def test_a_workload_signs_in_with_its_issuers_token(
    acme: SigningIn, workload: str, key: rsa.RSAPrivateKey, handed: tuple[str, Handed]
) -> None:
    method, hand = handed
    hand(jwt(key))

    calls = by_oidc(acme, workload, method)

    assert [acme.use(calls) for _ in range(3)] == ["acme-service"] * 3
    assert calls.sign_in.kind == calls.auth_kind == method
    assert tokens_fetched(acme) == 1  # and not once for each request


def test_a_workloads_token_is_exchanged_anew_in_time_and_when_refused(
    acme: SigningIn, workload: str, key: rsa.RSAPrivateKey, handed: tuple[str, Handed],
    clock: FakeClock,
) -> None:  # fmt: skip
    method, hand = handed
    hand(jwt(key))
    calls = by_oidc(acme, workload, method)
    acme.use(calls)

    clock.advance(3600)  # after which a newer SDK, but not that of today, knows better
    assert acme.use(calls) == "acme-service"
    fetched = tokens_fetched(acme)
    acme.room.server.state.revoke_token(calls.sign_in.headers()["Authorization"].split()[1])
    assert acme.use(calls) == "acme-service"
    assert tokens_fetched(acme) == fetched + 1


def test_a_profile_may_name_the_file_of_an_issuers_token(
    acme: SigningIn, workload: str, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "id-token").write_text(jwt(key))
    text = (
        f"[prod]\nhost = {{host}}\nclient_id = {workload}\nauth_type = file-oidc\n"
        f"oidc_token_filepath = {tmp_path}/id-token\n"
    )
    file = acme.profile(tmp_path, text)

    calls = acme.connect(acme.config(profile="prod", config_file=str(file)))

    assert acme.use(calls) == "acme-service"


def test_the_environment_alone_may_say_it(
    acme: SigningIn, workload: str, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "id-token").write_text(jwt(key))
    variables = {
        "DATABRICKS_HOST": acme.room.url,
        "DATABRICKS_AUTH_TYPE": "file-oidc",
        "DATABRICKS_CLIENT_ID": workload,
        "DATABRICKS_OIDC_TOKEN_FILE": str(tmp_path / "id-token"),
        "KMFLOW_ALLOW_INSECURE_LOOPBACK": "yes",
    }
    own = OwnConnection(variables)
    rules = ConnectionRules(secrets=SecretSources(environment=own.variables))

    config = own.sign_in_settings("acme").to_config(1)
    acme.opened.append(calls := connect(config, clock=acme.clock, rules=rules))

    assert current_principal(calls).user_name == "acme-service"


WRONG: dict[str, dict[str, Any]] = {
    "issuer": {"iss": "https://evil.test"},
    "subject": {"sub": "repo:evil/pipeline"},
    "audience": {"aud": "another"},
    "ended": {"exp": 1_600_000_000},
}


@pytest.mark.parametrize("claims", [*WRONG.values(), None], ids=[*WRONG, "signature"])
def test_a_token_that_does_not_fit_signs_nobody_in(
    acme: SigningIn, workload: str, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch,
    claims: dict[str, Any] | None,
) -> None:  # fmt: skip
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt(other if claims is None else key, **(claims or {}))
    monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", token)

    with pytest.raises(RemoteFault, match="invalid_grant") as refusal:
        current_principal(by_oidc(acme, workload, "env-oidc"))
    assert "give env-oidc what it needs" in refusal.value.hint
    assert token not in str(refusal.value)
    assert tokens_fetched(acme) == 0


def test_without_a_token_of_the_issuer_nothing_is_asked(acme: SigningIn, workload: str) -> None:
    for method in ("env-oidc", "file-oidc", "github-oidc"):
        with pytest.raises(CredentialError, match=f"{method}: the SDK cannot sign in"):
            by_oidc(acme, workload, method)
    assert tokens_fetched(acme) == 0
