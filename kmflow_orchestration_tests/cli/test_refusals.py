"""Wrong use, wrong settings, a workspace that refuses or is away: exit code, words, no request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration_tests.cli.conftest import TOKEN, Kmflow, Outcome
from kmflow_orchestration_tests.embedded import Room

USAGE, CONFIGURATION, ACCESS, REMOTE = 2, 3, 4, 5


@pytest.fixture
def acme(kmflow: Kmflow, groups_file: Callable[..., str]) -> Callable[..., Outcome]:
    """Import of group acme with these settings."""
    return lambda **settings: kmflow("group", "import", groups_file(**settings))


@pytest.mark.parametrize(
    "arguments",
    [
        ("conquer",),
        ("group", "burn"),
        ("group", "show"),
        ("group", "import"),
        ("provision", "--colour"),
        ("demo", "--backend", "paper"),
        ("workspace", "serve"),
        ("workspace", "serve", "--dir", "x", "--port", "70000"),
        ("workspace", "serve", "--dir", "x", "--port", "first"),
        ("dev", "--port", "0"),
    ],
    ids=" ".join,
)
def test_wrong_use_names_what_is_wrong_and_does_nothing(
    kmflow: Kmflow, home: Path, arguments: tuple[str, ...]
) -> None:
    outcome = kmflow(*arguments)

    assert outcome.code == USAGE
    assert outcome.out == ""
    assert "Error: " in outcome.err
    assert "--help" in outcome.err
    assert not home.exists()


def test_every_bad_field_is_named_at_once_with_its_line(acme, home: Path) -> None:
    refused = acme(shema="x", volume_path="..", knowledge_chunk_size="many", catalog="your-catalog")

    assert refused.code == CONFIGURATION
    assert "shema: is unknown: did you mean schema?" in refused.err
    for field in ("volume_path", "knowledge_chunk_size", "catalog"):
        assert f" {field}: " in refused.err
    assert "groups.yaml:" in refused.err


def test_a_token_that_was_pasted_is_refused_and_not_shown(acme) -> None:
    refused = acme(token=TOKEN)

    assert refused.code == CONFIGURATION
    assert "token: must be a reference, env:NAME, file:PATH, " in refused.err
    assert TOKEN not in refused.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token": "env:your-token"}, "token: still holds a template value"),
        ({"workspace_url": "https://your-workspace.cloud.databricks.com"}, "workspace_url: still"),
        ({"workspace_url": "http://127.0.0.1:1"}, "workspace_url: "),
        ({"workspace_url": "https://acme.cloud.databricks.com"}, "warehouse_id: is needed"),
    ],
    ids=["token", "host", "insecure", "warehouse"],
)
def test_what_cannot_work_is_not_saved(kmflow: Kmflow, acme, settings, words: str) -> None:
    refused = acme(**settings)

    assert refused.code == CONFIGURATION
    assert words in refused.err
    assert kmflow("group", "list", "--json").json == {"groups": []}


@pytest.mark.parametrize("text", ["groups: [", "- a", "groups: {}x", "\x00", "allowed: 1"])
def test_a_file_that_is_no_list_of_groups_is_refused(
    kmflow: Kmflow, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text(text, encoding="utf-8")

    refused = kmflow("group", "import", str(file))

    assert refused.code == CONFIGURATION
    assert "groups.yaml" in refused.err


def test_a_missing_file_and_an_unknown_group_are_named(kmflow: Kmflow) -> None:
    assert "nowhere.yaml" in kmflow("group", "import", "nowhere.yaml").err
    for call in (
        ("group", "show", "globex"),
        ("provision", "--group", "globex"),
        ("group", "show", "../acme"),
        ("provision", "--group", ""),
    ):
        refused = kmflow(*call)
        assert refused.code == CONFIGURATION
        assert "→" in refused.err


def test_a_group_without_workspace_names_all_it_lacks(
    kmflow: Kmflow, acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acme().code == 0
    monkeypatch.setenv("STORAGE_BACKEND", "databricks")

    refused = kmflow("provision")

    assert refused.code == CONFIGURATION
    assert "group acme: missing workspace_url, token" in refused.err


def test_a_token_that_is_not_there_is_named_and_nothing_is_sent(
    kmflow: Kmflow, on_workspace: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_TOKEN")

    refused = kmflow("provision")

    assert refused.code == CONFIGURATION
    assert "env:ACME_TOKEN is not set" in refused.err
    assert on_workspace.server.requests().count() == 0


def test_wrong_process_settings_are_all_named(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_BACKEND", "tape")
    monkeypatch.setenv("MAX_UPLOAD_SIZE_MB", "0")
    monkeypatch.setenv("KMFLOW_CALLBACK_KEY", TOKEN)

    for command in (("group", "list"), ("provision",), ("db", "migrate"), ("service", "run")):
        refused = kmflow(*command)
        assert refused.code == CONFIGURATION
        for name in ("STORAGE_BACKEND", "MAX_UPLOAD_SIZE_MB", "KMFLOW_CALLBACK_KEY"):
            assert f"{name}: " in refused.err
        assert TOKEN not in refused.err


@pytest.mark.parametrize("content", [None, "", "short", f"{'a' * 40}\n{'b' * 40}\n{'c' * 40}"])
def test_a_callback_key_that_cannot_sign_is_refused_before_serving(
    kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    key = tmp_path / "callback.key"
    if content is not None:
        key.write_text(content, encoding="ascii")
    monkeypatch.setenv("KMFLOW_CALLBACK_KEY", f"file:{key}")

    refused = kmflow("service", "run")

    assert refused.code == CONFIGURATION
    assert "callback" in refused.err
    assert not content or content not in refused.err


@pytest.mark.parametrize(
    "url", [f"mysql://u:{TOKEN}@host/db", f"nonsense {TOKEN}", f"postgresql://u:{TOKEN}@h:x/db"]
)
def test_a_database_we_cannot_use_is_refused_without_its_password(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("KMFLOW_DATABASE_URL", url)

    refused = kmflow("db", "migrate")

    assert refused.code == CONFIGURATION
    assert "control database" in refused.err
    assert TOKEN not in refused.err


def test_a_database_of_a_newer_version_is_left_alone(kmflow: Kmflow, home: Path) -> None:
    kmflow("db", "migrate")
    engine = sqlalchemy.create_engine(load_settings().control_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()

    refused = kmflow("group", "list")

    assert refused.code == CONFIGURATION
    assert "newer version" in refused.err


@pytest.mark.sqlite
def test_a_database_that_is_none_is_named(kmflow: Kmflow, home: Path) -> None:
    home.mkdir()
    (home / "control.db").write_bytes(b"this is no database, whatever its name may say" * 100)

    refused = kmflow("group", "list")

    assert refused.code == REMOTE
    assert "not a database" in refused.err


@pytest.mark.sqlite
def test_a_home_that_is_a_file_is_named(kmflow: Kmflow, home: Path) -> None:
    home.write_bytes(b"")

    refused = kmflow("group", "list")

    assert refused.code == 1
    assert str(home) in refused.err


def test_a_workspace_that_refuses_the_token_is_told_apart(
    kmflow: Kmflow, on_workspace: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", TOKEN)

    refused = kmflow("provision")

    assert refused.code == ACCESS
    assert "the group's token: it may have ended" in refused.err
    assert TOKEN not in refused.out + refused.err


def test_a_group_that_may_make_no_catalog_is_told_what_to_ask_for(
    kmflow: Kmflow, on_workspace: Room, groups_file: Callable[..., str]
) -> None:
    warehouse = kmflow("group", "show", "acme", "--json").json["warehouse_id"]
    file = groups_file(
        catalog="unheard_of",
        workspace_url=on_workspace.url,
        warehouse_id=warehouse,
        token="env:ACME_TOKEN",
        allow_insecure_loopback=True,
    )
    assert kmflow("group", "import", file).code == 0

    refused = kmflow("provision", "--json")

    assert refused.code == 1
    first, *others = refused.json["acme"]
    assert "GRANT CREATE CATALOG ON METASTORE TO" in first["message"]
    assert {one["action"] for one in others} == {"failed"}


def test_a_workspace_nobody_answers_for_is_told_apart_soon(
    kmflow: Kmflow, acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        acme(
            workspace_url=f"http://127.0.0.1:{held.getsockname()[1]}",
            warehouse_id="a1b2c3d4e5f60718",
            token="env:ACME_TOKEN",
            allow_insecure_loopback=True,
        )
        monkeypatch.setenv("STORAGE_BACKEND", "databricks")
        begun = time.monotonic()
        refused = kmflow("provision", "--json")

    assert refused.code == REMOTE
    assert json.loads(refused.out)["error"]["exit_code"] == REMOTE
    assert "ConnectionError" in refused.err
    assert time.monotonic() - begun < 5
    assert TOKEN not in refused.err


def test_a_port_that_is_taken_is_named(kmflow: Kmflow, tmp_path: Path) -> None:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        refused = kmflow("workspace", "serve", "--dir", str(tmp_path / "w"), "--port", port)

    assert refused.code == CONFIGURATION
    assert f"cannot listen on port {port}" in refused.err


API_TOKEN = f"kmf_acme.{'0f' * 8}.{'a1' * 32}"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("group", "show", API_TOKEN), CONFIGURATION),
        (("group", "check", f"dapi{'0f' * 16}"), CONFIGURATION),
        (("group", f"--dapi{'0f' * 16}"), USAGE),
        (("group", API_TOKEN), USAGE),
        (("dev", "--port", API_TOKEN), USAGE),
        (("group", "list", "--nothing=postgresql://kmflow:a1a1a1a1@db/x"), USAGE),
        (("group", "import", f"/nowhere/Bearer {API_TOKEN}"), CONFIGURATION),
    ],
)
def test_what_is_quoted_of_the_command_line_shows_no_secret(
    kmflow: Kmflow, arguments: tuple[str, ...], code: int
) -> None:
    outcome = kmflow(*arguments)

    assert outcome.code == code
    assert "a1a1a1a1" not in outcome.out + outcome.err
    assert "0f0f0f0f" not in outcome.out + outcome.err
