"""`kmflow group create|set|disable|history|import|export` (rows A2, A3, A19, C20)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kmflow_orchestration_tests.cli.conftest import TOKEN, Kmflow

FAILED, USAGE, CONFIGURATION = 1, 2, 3
REMOTE = (
    "workspace_url=adb-1.7.azuredatabricks.net",
    "warehouse_id=0123456789",
    "catalog=main",
    "schema=acme",
)


@pytest.fixture
def acme(kmflow: Kmflow) -> Kmflow:
    assert kmflow("group", "create", "acme", *REMOTE, "token=env:ACME_TOKEN").code == 0
    return kmflow


def shown(kmflow: Kmflow, group: str = "acme") -> dict[str, object]:
    return kmflow("group", "show", group, "--json").json


def test_a_group_is_made_of_words(kmflow: Kmflow) -> None:
    made = kmflow(
        "group", "create", "acme", *REMOTE, "volume_enabled=true", "volume_path=main.acme.out",
        "max_file_size_mb=7", "allowed_catalogs=main, other", "--json",
    )  # fmt: skip

    assert (made.json["version"], made.json["saved"]) == (1, True)
    settings = shown(kmflow)
    assert (settings["warehouse_id"], settings["volume_enabled"]) == ("0123456789", True)
    assert (settings["max_file_size_mb"], settings["allowed_catalogs"]) == (7, ["main", "other"])


def test_every_bad_word_is_reported_at_once_and_nothing_is_made(kmflow: Kmflow) -> None:
    refused = kmflow(
        "group", "create", "acme", "volume_enabled=yes", "max_file_size_mb=many", "catalogue=x",
        f"token={TOKEN}", "volume_path=a.b", "sql_pool_size=-1",
    )  # fmt: skip

    assert refused.code == CONFIGURATION
    for name in ("volume_enabled", "max_file_size_mb", "token", "volume_path", "sql_pool_size"):
        assert f"{name}: " in refused.err
    assert "catalogue: is unknown: did you mean catalog?" in refused.err
    assert TOKEN not in refused.err
    assert kmflow("group", "list", "--json").json == {"groups": []}


@pytest.mark.parametrize(
    ("name", "code"), [("Acme", 3), ("../acme", 3), ("", 3), ("default", 3), ("a" * 64, 3)]
)
def test_a_group_needs_an_id_that_can_stand_in_a_path(kmflow: Kmflow, name: str, code: int) -> None:
    assert kmflow("group", "create", name).code == code


def test_a_group_is_made_once(acme: Kmflow) -> None:
    again = acme("group", "create", "acme")
    assert (again.code, "KM-CONFIG-007" in again.err) == (FAILED, True)
    assert shown(acme)["version"] == 1


@pytest.mark.parametrize(
    "words", [("catalog",), ("=main",), ("catalog=a", "catalog=b"), (TOKEN,)], ids=str
)
def test_words_of_another_form_are_wrong_use(acme: Kmflow, words: tuple[str, ...]) -> None:
    refused = acme("group", "set", "acme", *words)
    assert refused.code == USAGE
    assert TOKEN not in refused.err


def test_only_what_is_named_changes(acme: Kmflow) -> None:
    changed = acme("group", "set", "acme", "volume_file_format=csv", "--json")
    assert changed.json == {
        "group": "acme", "version": 2, "enabled": True, "changed": ["volume_file_format"],
        "saved": True,
    }  # fmt: skip
    assert (shown(acme)["warehouse_id"], shown(acme)["token"]) == (
        "0123456789", "set (env:ACME_TOKEN)",
    )  # fmt: skip


def test_a_setting_is_taken_away_with_an_empty_value(acme: Kmflow) -> None:
    assert acme("group", "set", "acme", "token=", "allowed_catalogs=a").code == 0
    assert acme("group", "set", "acme", "allowed_catalogs=").code == 0
    assert (shown(acme)["token"], shown(acme)["allowed_catalogs"]) == ("not set", [])


def test_the_same_again_says_so_and_saves_nothing(acme: Kmflow) -> None:
    again = acme("group", "set", "acme", "catalog=main")
    assert "nothing to change" in again.err
    assert shown(acme)["version"] == 1


def test_a_dry_run_tells_and_saves_nothing(acme: Kmflow) -> None:
    for call in (("set", "acme", "catalog=other"), ("disable", "acme")):
        told = acme("group", *call, "--dry-run", "--json").json
        assert (told["saved"], len(told["changed"])) == (False, 1)
        assert "nothing was saved" in acme("group", *call, "--dry-run").err
    assert (shown(acme)["version"], shown(acme)["enabled"]) == (1, True)


def test_an_old_version_is_a_conflict(acme: Kmflow) -> None:
    acme("group", "set", "acme", "catalog=other")
    for call in (("set", "acme", "catalog=third"), ("disable", "acme")):
        refused = acme("group", *call, "--expected-version", "1")
        assert (refused.code, "version 2, not 1" in refused.err) == (FAILED, True)


def test_a_private_host_must_be_meant(kmflow: Kmflow) -> None:
    words = ("group", "create", "acme", *REMOTE[1:], "workspace_url=dbx.corp.internal")
    assert kmflow(*words).code == CONFIGURATION
    assert kmflow(*words, "--allowed-host", "dbx.corp.internal").code == 0
    assert kmflow("group", "set", "acme", "catalog=x").code == 0


def test_a_disabled_group_is_listed_and_can_come_back(acme: Kmflow) -> None:
    assert "is disabled, version 2" in acme("group", "disable", "acme").err
    assert "nothing to change" in acme("group", "disable", "acme").err
    assert acme("group", "list", "--json").json["groups"][0]["enabled"] is False
    assert acme("group", "set", "acme", "enabled=true").code == 0


def test_history_names_versions_authors_and_changes(acme: Kmflow) -> None:
    acme("group", "set", "acme", "catalog=other", "sql_pool_size=9")
    newest, oldest = acme("group", "history", "acme", "--json").json["versions"]
    assert (newest["version"], newest["changed"]) == (2, ["catalog", "sql_pool_size"])
    assert (oldest["changed"], oldest["active"]) == (["created"], False)
    assert oldest["settings"]["token"] == "set (env:ACME_TOKEN)"
    assert "sql_pool_size" in acme("group", "history", "acme").out


def test_the_audit_trail_shows_deeds_and_refusals(acme: Kmflow) -> None:
    acme("group", "set", "acme", f"token={TOKEN}")
    acme("group", "disable", "acme")
    deeds = acme("group", "history", "acme", "--audit", "--json").json["deeds"]
    assert [(one["action"], one["error_code"]) for one in deeds] == [
        ("disable", ""), ("update", "KM-CONFIG-008"), ("create", ""),
    ]  # fmt: skip
    assert "refused: KM-CONFIG-008" in acme("group", "history", "acme", "--audit").out
    assert TOKEN not in str(deeds)


@pytest.mark.parametrize(
    "call",
    [
        ("group", "show", "acne"),
        ("group", "set", "acne", "catalog=x"),
        ("group", "disable", "acne"),
        ("group", "history", "acne"),
        ("group", "export", "acne"),
        ("token", "create", "--group", "acne", "--role", "admin"),
        ("token", "list", "--group", "acne"),
        ("config", "show", "--group", "acne"),
    ],
    ids=" ".join,
)
def test_an_unknown_group_is_told_the_nearest(acme: Kmflow, call: tuple[str, ...]) -> None:
    refused = acme(*call)
    assert refused.code == CONFIGURATION
    assert "there is no group 'acne': did you mean acme?" in refused.err


def test_an_export_is_imported_elsewhere_as_it_was(
    acme: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme("group", "create", "globex", *REMOTE[:3], "schema=globex")
    exported = acme("group", "export")
    file = tmp_path / "export.yaml"
    file.write_text(exported.out, encoding="utf-8")

    monkeypatch.setenv("KMFLOW_HOME", str(tmp_path / "elsewhere"))
    assert acme("group", "import", str(file)).code == 0
    assert acme("group", "export").out == exported.out
    assert "env:ACME_TOKEN" in exported.out
    assert acme("group", "export", "globex", "--json").json["groups"] == {
        "globex": yaml.safe_load(acme("group", "export", "globex").out)["groups"]["globex"]
    }


def test_an_import_tells_first_what_it_would_do(acme: Kmflow, tmp_path: Path) -> None:
    file = tmp_path / "groups.yaml"
    exported = yaml.safe_load(acme("group", "export").out)
    exported["groups"]["acme"]["catalog"] = "other"
    exported["groups"]["globex"] = {}
    file.write_text(yaml.safe_dump(exported), encoding="utf-8")

    told = acme("group", "import", str(file), "--dry-run")
    assert "acme: would change: catalog" in told.err
    assert "globex: would create" in told.err
    assert shown(acme)["version"] == 1


def test_groups_of_one_file_that_overlap_keep_the_whole_file_out(
    kmflow: Kmflow, tmp_path: Path
) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text(
        "groups:\n  a: {landing_path: /in}\n  b: {landing_path: /in/b}\n  c: {}\n", encoding="utf-8"
    )
    for options in (("--dry-run",), ()):
        refused = kmflow("group", "import", str(file), *options)
        assert refused.code == CONFIGURATION
        assert "group a has the same landing folder" in refused.err
        assert "group b has the same landing folder" in refused.err
    assert kmflow("group", "list", "--json").json == {"groups": []}


def test_a_refused_file_is_in_the_trail_of_its_groups(
    acme: Kmflow, groups_file: Callable[..., str]
) -> None:
    assert acme("group", "import", groups_file(token=TOKEN)).code == CONFIGURATION
    deed = acme("group", "history", "acme", "--audit", "--json").json["deeds"][0]
    assert (deed["action"], deed["after"]) == (
        "update", {"file": "groups.yaml", "wrong": ["token"]},
    )  # fmt: skip


def test_an_import_takes_a_file_or_a_database(kmflow: Kmflow) -> None:
    assert kmflow("group", "import", "x.yaml", "--database", "sqlite:///x").code == USAGE


def test_in_production_nobody_switches_tls_off(
    acme: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMFLOW_ENV", "production")
    refused = acme("group", "set", "acme", "allow_insecure_loopback=true")
    assert (refused.code, "production" in refused.err) == (CONFIGURATION, True)
