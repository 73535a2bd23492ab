"""Row C8: a group signs in as a profile does, whatever method the profile holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kmflow_orchestration.config.secret_refs import SecretRef, SecretSources
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import ConfigurationError, CredentialError
from kmflow_orchestration_tests.databricks_client.signing_in import SECRET, SigningIn
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

TOKEN = "[prod]\nhost = {host}/\ntoken = {token}\n"
CLIENT = f"[prod]\nhost = {{host}}\nclient_id = {{id}}\nclient_secret = {SECRET}\n"


@pytest.fixture
def acme(room: Room, clock: FakeClock) -> Iterator[SigningIn]:
    opened = SigningIn(room, clock)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TOKEN, "pat"),
        (CLIENT, "oauth-m2m"),
        (TOKEN + "auth_type = pat\nclient_id = {id}\n", "pat"),
        (CLIENT + "token = {token}\nauth_type = oauth-m2m\n", "oauth-m2m"),
        ("[DEFAULT]\nhost = {host}\ntoken = wrong-4f9d8a7b\n" + CLIENT, "oauth-m2m"),
    ],
)
def test_a_profile_signs_in(acme: SigningIn, tmp_path: Path, text: str, kind: str) -> None:
    file = acme.profile(tmp_path, text)
    calls = acme.connect(acme.config(profile="prod", config_file=str(file)))

    assert acme.use(calls) == "acme-service"
    assert calls.sign_in.kind == kind


def test_a_tokens_reference_may_be_a_profile(acme: SigningIn, tmp_path: Path) -> None:
    file = acme.profile(tmp_path, TOKEN)
    config = acme.config(token=SecretRef("profile", "prod"), config_file=str(file))

    assert acme.use(acme.connect(config)) == "acme-service"


def test_the_file_may_be_named_by_the_variable(acme: SigningIn, tmp_path: Path) -> None:
    acme.environment["DATABRICKS_CONFIG_FILE"] = str(acme.profile(tmp_path, TOKEN))

    assert acme.use(acme.connect(acme.config(profile="prod"))) == "acme-service"


def test_nothing_of_the_environment_is_mixed_in(
    acme: SigningIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"):
        monkeypatch.setenv(name, "another-value-4f9d8a7b")
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "azure-cli")
    file = acme.profile(tmp_path, CLIENT)

    assert acme.use(acme.connect(acme.config(profile="prod", config_file=str(file))))
    assert not acme.room.server.has_seen("another-value-4f9d8a7b")


@contextmanager
def metadata_service(tokens: list[str]) -> Iterator[str]:
    """What an application beside us offers: a token for the host that asks, and when it ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Within the SDK's 40 seconds before an end: it asks again for each request.
            answer = {"access_token": tokens[0], "token_type": "Bearer", "expires_on": 1}
            tokens.append(tokens.pop(0))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/token"
    server.shutdown()
    server.server_close()
    thread.join()


def test_any_method_of_the_sdk_works_and_is_renewed_by_it(acme: SigningIn, tmp_path: Path) -> None:
    state, caller = acme.room.server.state, acme.acme.caller
    tokens = [f"rotating-token-{number}-{acme.acme.token}" for number in range(3)]
    for token in tokens:
        state.create_principal(caller.workspace_id, caller.principal, token=token)
    with metadata_service(list(tokens)) as url:
        file = acme.profile(tmp_path, f"[prod]\nhost = {{host}}\nmetadata_service_url = {url}\n")
        calls = acme.connect(acme.config(profile="prod", config_file=str(file)))
        assert [acme.use(calls) for _ in range(5)] == ["acme-service"] * 5

    assert calls.sign_in.kind == "metadata-service"
    assert all(acme.room.server.has_seen(token) for token in tokens)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[dev]\nhost = {host}\n[test]\n[__settings__]\n", "no profile 'prod': it has dev, test"),
        ("", "no profile 'prod': it has none"),
        ("[DEFAULT]\nhost = {host}\n[prod]\ntoken = {token}\n", "prod of .* has no host"),
        ("[prod]\nhost = https://adb-1.7.azuredatabricks.net\ntoken = t-4f9d\n", "is for adb-1"),
        ("[prod]\nhost = https://elsewhere.test\ntoken = t-4f9d8a7b\n", "no Databricks domain"),
        ("[prod]\nhost = {host}\ntoken = your-token\n", "token still holds the template value"),
        (TOKEN + "client_id = {id}\nclient_secret = s-4f9d8a7b\n", "oauth and pat"),
        ("[prod]\nhost = {host}\nclient_id = {id}\n", "cannot sign in"),
        ("token = {token}\n[prod]\n", r"databrickscfg:1: cannot be read"),
        ("[prod]\nhost = {host}\nhost = {host}\ntoken = {token}\n", ":3: cannot be read"),
        ("[prod]\nhost = {host}\nthis line is {token}\n", ":3: cannot be read"),
    ],
)  # fmt: skip
def test_a_profile_that_does_not_fit_is_refused_before_any_token_is_sent(
    acme: SigningIn, tmp_path: Path, text: str, says: str
) -> None:
    file = acme.profile(tmp_path, text)
    with pytest.raises(ConfigurationError, match=says) as refusal:
        acme.connect(acme.config(profile="prod", config_file=str(file)))
    assert refusal.value.exit_code == 3
    assert acme.acme.token not in str(refusal.value)
    assert not acme.room.server.has_seen(acme.acme.token)


def test_a_file_that_is_not_there_is_named_by_its_path(acme: SigningIn, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"no profile file at {tmp_path}/none"):
        acme.connect(acme.config(profile="prod", config_file=str(tmp_path / "none")))


def test_a_file_that_others_can_read_is_a_warning_and_refused_in_production(
    acme: SigningIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = acme.profile(tmp_path, TOKEN)
    file.chmod(0o644)
    config = acme.config(profile="prod", config_file=str(file))

    assert acme.use(acme.connect(config)) == "acme-service"
    assert f"chmod 600 {file}" in caplog.text
    production = ConnectionRules(secrets=SecretSources(production=True))
    with pytest.raises(CredentialError, match="chmod 600"):
        acme.connect(config, rules=production)


@pytest.mark.parametrize("switch", ["skip_verify = true", "debug_headers = True"])
def test_switches_that_show_or_risk_the_token_are_refused_in_production(
    acme: SigningIn, tmp_path: Path, switch: str
) -> None:
    file = acme.profile(tmp_path, f"{TOKEN}{switch}\n")
    config = acme.config(profile="prod", config_file=str(file))

    assert acme.use(acme.connect(config)) == "acme-service"
    with pytest.raises(ConfigurationError, match="refused in production"):
        acme.connect(config, rules=ConnectionRules(secrets=SecretSources(production=True)))


def test_a_profile_that_turned_to_another_host_gives_no_new_token(
    acme: SigningIn, tmp_path: Path
) -> None:
    file = acme.profile(tmp_path, TOKEN)
    calls = acme.connect(acme.config(profile="prod", config_file=str(file)))
    acme.use(calls)
    acme.room.server.state.revoke_token(acme.acme.token)
    file.write_text("[prod]\nhost = https://adb-1.7.azuredatabricks.net\ntoken = new-4f9d8a7b\n")

    with pytest.raises(ConfigurationError, match="profile prod is for adb-1"):
        current_principal(calls)
    assert not acme.room.server.has_seen("new-4f9d8a7b")
