"""`kmflow secret` and `kmflow auth`: ciphertext, tokens given to commands, and who signs in how."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kmflow_orchestration.config.ciphertext import new_key
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
VALUE = "a-secret-from-stdin-4f9d8a7b"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """What stands on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_secret_becomes_a_reference_that_may_be_stored(kmflow: Kmflow, monkeypatch, typed):
    key = kmflow("secret", "key").out.strip()
    monkeypatch.setenv("KMFLOW_FERNET_KEY", key)
    typed(f"{VALUE}\n")
    reference = kmflow("secret", "encrypt").out.strip()

    assert SecretRef.parse(reference).resolve().reveal() == VALUE
    typed(VALUE)
    assert kmflow("secret", "encrypt", "--json").json["reference"].startswith("fernet:")


@pytest.mark.parametrize(
    "case",
    [
        ("", VALUE, "KMFLOW_FERNET_KEY is not set"),
        ("no-key-4f9d8a7b", VALUE, "holds no Fernet key"),
        (KEY, " \n", "no secret on standard input"),
    ],
)
def test_what_cannot_be_encrypted_is_said_without_it(kmflow: Kmflow, monkeypatch, typed, case):
    key, text, says = case
    monkeypatch.setenv("KMFLOW_FERNET_KEY", key)
    typed(text)
    outcome = kmflow("secret", "encrypt")
    assert (outcome.code, outcome.out) == (3, "")
    assert says in outcome.err
    assert VALUE not in outcome.err
    assert "no-key-4f9d8a7b" not in outcome.err


def test_a_group_may_keep_its_token_as_ciphertext(
    on_workspace: Room, kmflow: Kmflow, groups_file, monkeypatch, typed
):
    monkeypatch.setenv("KMFLOW_FERNET_KEY", new_key())
    typed(on_workspace.groups["kmflow"].token)
    reference = kmflow("secret", "encrypt").out.strip()
    warehouse = on_workspace.server.services.warehouses.default_id(on_workspace.admin.workspace_id)
    settings = {"workspace_url": on_workspace.url, "warehouse_id": warehouse}
    file = groups_file(token=reference, allow_insecure_loopback=True, **settings)

    assert kmflow("group", "import", file).code == 0
    shown = kmflow("auth", "show", "--group", "acme", "--online", "--json").json
    assert shown["identity"] == {"value": "kmflow-service", "source": "pat"}
    assert shown["token"] == {"value": "set", "source": "fernet:***"}
    assert reference not in kmflow("group", "show", "acme").out


@pytest.fixture
def environment(room: Room, monkeypatch: pytest.MonkeyPatch, home: Path) -> Room:
    """The process's own connection is acme's."""
    monkeypatch.setenv("DATABRICKS_SERVER_HOSTNAME", room.url)
    monkeypatch.setenv("DATABRICKS_ACCESS_TOKEN", room.group("acme").token)
    monkeypatch.setenv("KMFLOW_ALLOW_INSECURE_LOOPBACK", "yes")
    return room


def test_sources_are_told_and_secrets_are_not(environment: Room, kmflow: Kmflow):
    outcome = kmflow("auth", "show", "--json")
    assert outcome.json == {
        "host": {
            "value": environment.url.removeprefix("http://"),
            "source": "env:DATABRICKS_SERVER_HOSTNAME",
        },
        "token": {"value": "set", "source": "env:DATABRICKS_ACCESS_TOKEN"},
    }
    told = kmflow("auth", "show", "--online")
    assert "acme-service" in told.out
    assert environment.groups["acme"].token not in outcome.out + told.out + told.err


def test_a_token_from_standard_input_goes_to_the_host_beside_it(
    environment: Room, kmflow: Kmflow, typed
):
    typed(environment.group("globex").token)
    arguments = ("--workspace-url", environment.url, "--token-stdin", "--online", "--json")
    shown = kmflow("auth", "show", *arguments).json
    assert shown["identity"]["value"] == "globex-service"
    assert shown["token"]["source"] == "option:--token"


def test_a_token_alone_does_not_go_to_the_environments_host(environment: Room, kmflow: Kmflow):
    environment.server.services.request_log.clear()
    outcome = kmflow("auth", "show", "--token", "a-token-alone-4f9d8a7b", "--online")
    assert outcome.code == 3
    assert "different places: option:--token; env:DATABRICKS_SERVER_HOSTNAME" in outcome.err
    assert not environment.server.has_seen("a-token-alone-4f9d8a7b")


def test_a_token_on_the_command_line_is_warned_of_and_refused_in_production(
    environment: Room, kmflow: Kmflow, monkeypatch
):
    token = environment.groups["acme"].token
    arguments = ("auth", "show", "--workspace-url", environment.url, "--token", token)
    warned = kmflow(*arguments)
    assert warned.code == 0
    assert "lists of processes show" in warned.err
    monkeypatch.setenv("KMFLOW_ENV", "production")
    refused = kmflow(*arguments)
    assert refused.code == 3
    assert "--token-stdin" in refused.err
    assert token not in warned.out + warned.err + refused.err


def test_of_two_ways_one_is_pinned_by_the_command(environment: Room, kmflow: Kmflow, monkeypatch):
    secret = "a-clients-secret-4f9d8a7b"
    client_id = seed_client(environment.server, environment.group("acme").caller, secret=secret)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", client_id)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", secret)
    both = kmflow("auth", "show")
    assert (both.code, "more than one way to sign in: oauth and pat" in both.err) == (3, True)

    pinned = kmflow("auth", "show", "--auth-type", "oauth-m2m", "--online", "--json")

    assert pinned.json["identity"] == {"value": "acme-service", "source": "oauth-m2m"}
    assert pinned.json["auth_type"] == {"value": "oauth-m2m", "source": "option:--auth-type"}
    assert secret not in both.err + pinned.out + pinned.err
    assert not environment.server.has_seen(environment.group("acme").token)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--token", "t", "--token-stdin"),
        ("--group", "acme", "--profile", "prod"),
        ("--group", "acme", "--workspace-url", "https://x"),
    ],
)
def test_contradictory_options_are_wrong_use(kmflow: Kmflow, home: Path, typed, arguments):
    typed("t")
    assert kmflow("auth", "show", *arguments).code == 2


def test_an_unknown_profile_lists_the_names_there_are(kmflow: Kmflow, tmp_path: Path, monkeypatch):
    file = tmp_path / "cfg"
    file.write_text("[dev]\nhost = https://adb-1.7.azuredatabricks.net\ntoken = t-4f9d8a7b\n")
    file.chmod(0o600)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    outcome = kmflow("auth", "show", "--profile", "prod")
    assert outcome.code == 3
    assert "it has dev" in outcome.err
    shown = kmflow("auth", "show", "--profile", "dev", "--json").json
    assert shown["host"] == {"value": "adb-1.7.azuredatabricks.net", "source": "profile:dev"}


def test_an_incomplete_connection_stops_every_command_in_strict_mode(kmflow: Kmflow, monkeypatch):
    monkeypatch.setenv("USE_DATABRICKS", "true")
    monkeypatch.setenv("KMFLOW_DEFAULT_GROUP", "acme")
    outcome = kmflow("group", "list")
    assert outcome.code == 3
    assert "group acme: missing DATABRICKS_HOST, DATABRICKS_TOKEN or" in outcome.err
