"""Rows A6, A7, A19: a group's settings, read and changed by its admins and nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_input import FIELD_NAMES, InputRules
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupRefused,
    RoleRefused,
    SettingsConflict,
    UnknownGroup,
)
from kmflow_orchestration.operations.group_settings import (
    change_settings,
    create_group,
    disable_group,
    planned_change,
    read_settings,
    save_settings,
    settings_history,
)
from kmflow_orchestration_tests.operations.groups.conftest import ANN, BOB

REMOTE = {
    "workspace_url": "https://adb-1.7.azuredatabricks.net",
    "warehouse_id": "w1",
    "catalog": "main",
    "schema": "acme",
    "token": "env:ACME_TOKEN",
}


def test_a_group_that_saved_nothing_reads_as_its_defaults(configs, ann):
    read = read_settings("acme", caller=ann, configs=configs)

    assert (read.version, read.settings["enabled"], read.created_at) == (0, False, None)
    assert (read.settings["volume_file_format"], read.settings["volume_create_date_dirs"]) == (
        "json", True,
    )  # fmt: skip
    assert [read.settings[name] for name in ("workspace_url", "catalog", "schema")] == ["", "", ""]


def test_what_is_read_tells_of_secrets_only_that_they_are_there(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    read = read_settings("acme", caller=ann, configs=configs)

    assert (read.settings["has_token"], read.settings["has_client_secret"]) == (True, False)
    assert "token" not in read.settings
    assert "ACME_TOKEN" not in repr(read)
    assert (read.version, read.created_by_email) == (1, ANN)


def test_only_what_is_sent_changes(configs, ann):
    create_group("acme", {**REMOTE, "volume_file_format": "csv"}, caller=ann, configs=configs)
    changed = change_settings(
        "acme", {"max_file_size_mb": 7, "token": "file:/run/t"}, caller=ann, configs=configs
    )

    assert changed.changed == ("token", "max_file_size_mb")
    assert (changed.config.version, changed.config.volume_file_format) == (2, "csv")
    assert str(changed.config.token) == "file:/run/t"
    assert changed.message == "group acme is enabled, version 2"


def test_the_same_values_again_save_nothing(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    again = change_settings("acme", {"catalog": "main"}, caller=ann, configs=configs)
    assert (again.changed, again.config.version) == ((), 1)
    assert len(configs.history(again.config.group_id)) == 1


def test_a_secret_is_taken_away_by_sending_none(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    changed = change_settings("acme", {"token": None}, caller=ann, configs=configs)
    assert changed.config.token is None


def test_replacing_settings_takes_the_default_of_what_is_not_named(configs, ann):
    create_group("acme", {**REMOTE, "volume_file_format": "csv"}, caller=ann, configs=configs)
    saved = save_settings("acme", REMOTE, caller=ann, configs=configs)
    assert saved.config.volume_file_format == "json"
    assert saved.changed == ("volume_file_format",)


def test_a_plan_saves_nothing(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    plan = planned_change("acme", {"catalog": "other"}, caller=ann, configs=configs)
    assert plan.changed == ("catalog",)
    assert configs.active(plan.config.group_id).catalog == "main"


def test_a_group_is_created_once(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    with pytest.raises(SettingsConflict):
        create_group("acme", {}, caller=ann, configs=configs)
    assert configs.active("acme").warehouse_id == "w1"


def test_there_must_be_settings_to_change(configs, ann):
    for call in (
        lambda: change_settings("acme", {"catalog": "x"}, caller=ann, configs=configs),
        lambda: disable_group("acme", caller=ann, configs=configs),
    ):
        with pytest.raises(UnknownGroup):
            call()


def test_a_disabled_group_keeps_its_settings_and_can_be_enabled_again(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    for _ in range(2):
        off = disable_group("acme", caller=ann, configs=configs)
    assert (off.config.version, off.config.is_enabled, off.config.warehouse_id) == (2, False, "w1")
    assert off.message == "group acme is disabled, version 2"

    on = change_settings("acme", {"enabled": True}, caller=ann, configs=configs)
    assert (on.config.version, on.config.is_enabled, on.config.warehouse_id) == (3, True, "w1")


def test_a_group_whose_settings_became_invalid_can_still_be_disabled(configs, ann):
    insecure = {**REMOTE, "workspace_url": "http://127.0.0.1:1", "allow_insecure_loopback": True}
    create_group("acme", insecure, caller=ann, configs=configs)
    production = InputRules(production=True)
    with pytest.raises(ConfigurationError):
        change_settings("acme", {"catalog": "x"}, caller=ann, configs=configs, rules=production)
    assert not disable_group("acme", caller=ann, configs=configs).config.is_enabled


def test_a_host_that_was_allowed_once_is_not_judged_again(configs, ann):
    private = {**REMOTE, "workspace_url": "https://dbx.corp.internal"}
    rules = InputRules(allowed_hosts=("dbx.corp.internal",))
    create_group("acme", private, caller=ann, configs=configs, rules=rules)
    changed = change_settings("acme", {"catalog": "x"}, caller=ann, configs=configs)
    assert changed.config.host == "dbx.corp.internal"
    with pytest.raises(ConfigurationError, match="workspace_url"):
        change_settings("acme", private, caller=ann, configs=configs)


def test_history_names_every_version(configs, ann, clock):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    clock.advance(1)
    change_settings("acme", {"catalog": "x"}, caller=ann, configs=configs)
    newest, oldest = settings_history("acme", caller=ann, configs=configs)
    assert (newest.config.catalog, oldest.config.catalog) == ("x", "main")
    assert newest.created_at > oldest.created_at


def calls(group, caller, configs):
    return (
        lambda: read_settings(group, caller=caller, configs=configs),
        lambda: settings_history(group, caller=caller, configs=configs),
        lambda: create_group(group, {}, caller=caller, configs=configs),
        lambda: save_settings(group, {}, caller=caller, configs=configs),
        lambda: change_settings(group, {"catalog": "x"}, caller=caller, configs=configs),
        lambda: planned_change(group, {"catalog": "x"}, caller=caller, configs=configs),
        lambda: disable_group(group, caller=caller, configs=configs),
    )


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("group", ["acme", "nobody", "../acme"])
def test_another_group_is_as_unknown_as_none(configs, ann, bob, number, group):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    with pytest.raises(GroupRefused) as caught:
        calls(group, bob, configs)[number]()
    assert str(caught.value) == "this group is none of the caller's"
    assert configs.active("acme").version == 1


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_settings_are_for_admins(configs, ann, number, role):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    with pytest.raises(RoleRefused):
        calls("acme", caller_of(BOB, ("acme",), role), configs)[number]()
    assert configs.active("acme").version == 1


def test_values_that_name_another_group_are_refused(configs, ann):
    with pytest.raises(GroupRefused):
        create_group("acme", {"group_id": "globex"}, caller=ann, configs=configs)
    create_group("acme", {"group_id": "acme"}, caller=ann, configs=configs)
    assert [config.group_id for config in configs.all_active()] == ["acme"]


def test_the_author_is_the_caller_and_no_value(configs, ann):
    with pytest.raises(ConfigurationError, match="created_by_email: is unknown"):
        create_group("acme", {"created_by_email": BOB}, caller=ann, configs=configs)


def test_refused_changes_are_in_the_trail_without_their_values(configs, audit, ann, bob):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    viewer = caller_of(BOB, ("acme",), Role.VIEWER)
    wrong = {"token": "dapi-canary-1", "catalog": "dapi canary", "dapi-canary-2": 1}
    with pytest.raises(ConfigurationError):
        change_settings("acme", wrong, caller=ann, configs=configs)
    with pytest.raises(RoleRefused):
        disable_group("acme", caller=viewer, configs=configs)
    with pytest.raises(GroupRefused):
        change_settings("acme", wrong, caller=bob, configs=configs)

    by_role, by_rule = (entry.deed for entry in audit.entries("acme")[:2])
    assert by_rule.after == {
        "settings": ["(unknown)", "catalog", "token"],
        "wrong": ["(unknown)", "catalog", "token"],
    }
    assert (by_role.actor_email, by_role.error_code) == (BOB, "KM-CALLER-003")
    (foreign,) = audit.entries("globex")
    assert (foreign.deed.error_code, foreign.deed.after["asked_for"]) == ("KM-CALLER-004", "acme")
    assert "canary" not in repr([*audit.entries("acme"), *audit.entries("globex")])


def test_of_two_admins_who_save_at_once_one_gets_a_conflict(configs, ann):
    created = create_group("acme", REMOTE, caller=ann, configs=configs)
    barrier = Barrier(2)

    def change(name: str) -> bool:
        barrier.wait()
        try:
            change_settings(
                "acme",
                {"catalog": name},
                caller=ann,
                configs=configs,
                expected_version=created.config.version,
            )
        except SettingsConflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, ("one", "two"))) == [False, True]
    assert configs.active("acme").version == 2


def test_concurrent_changes_of_different_settings_are_never_lost(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    barrier = Barrier(4)
    names = ("sql_pool_size", "sql_max_overflow", "sql_pool_timeout_s", "max_file_size_mb")

    def change(name: str) -> str:
        barrier.wait()
        for _ in range(50):
            try:
                change_settings("acme", {name: 77}, caller=ann, configs=configs)
            except SettingsConflict:
                continue
            return name
        raise AssertionError("never saved")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(change, names)) == set(names)
    config = configs.active("acme")
    assert [getattr(config, name) for name in names] == [77] * 4
    assert config.version == 5


def test_a_stale_version_is_refused_even_without_a_change(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    for version in (0, 2):
        with pytest.raises(SettingsConflict):
            change_settings(
                "acme", {"catalog": "main"}, caller=ann, configs=configs, expected_version=version
            )


def test_a_new_setting_is_read_and_written_by_name(configs, ann):
    create_group("acme", REMOTE, caller=ann, configs=configs)
    read = read_settings("acme", caller=ann, configs=configs).settings
    assert {name.removeprefix("has_") for name in read} == set(FIELD_NAMES)
