"""Rows A1, A3, A4: one active configuration a group, with history, and no crossing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.config.group_input import GroupInput, parse_group
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupDisabled,
    GroupMismatch,
    KmflowError,
    MissingGroup,
    SettingsConflict,
    StateConflict,
    StorageUnavailable,
    UnknownGroup,
)
from kmflow_orchestration.metadata.engine import open_engine, open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.metadata.group_tables import DatabricksConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import engine_of

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
ANN, BOB = "ann@kmflow.test", "bob@kmflow.test"


@pytest.fixture
def engine(tmp_path, control_database):
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def configs(engine, clock):
    return GroupConfigs(open_sessions(engine), clock)


def remote(group: str, **values: Any) -> GroupInput:
    return parse_group(
        group,
        {
            "workspace_url": "https://adb-1.7.azuredatabricks.net",
            "warehouse_id": "w1",
            "catalog": "main",
            "schema": group,
            "token": f"env:{group.upper()}_TOKEN",
            **values,
        },
    )


def test_saved_settings_come_back_whole(configs):
    saved = configs.save(ACME, remote("acme", volume_enabled=True, volume_path="c.s.v"), ANN)
    assert configs.active(ACME) == saved
    assert (saved.version, saved.volume_path) == (1, "/Volumes/c/s/v")


def test_a_second_save_makes_the_first_history(configs, clock):
    configs.save(ACME, remote("acme"), ANN)
    clock.advance(1)
    configs.save(ACME, remote("acme", catalog="other"), BOB)

    newest, oldest = configs.history(ACME)
    assert configs.active(ACME).catalog == "other"
    assert (newest.is_active, newest.config.version, newest.created_by_email) == (True, 2, BOB)
    assert (oldest.is_active, oldest.config.catalog, oldest.created_by_email) == (
        False, "main", ANN,
    )  # fmt: skip
    assert oldest.created_at != newest.created_at
    assert (oldest.updated_at, oldest.updated_by_email) == (newest.created_at, BOB)


def test_saving_one_group_leaves_the_other_active(configs):
    configs.save(ACME, remote("acme"), ANN)
    configs.save(GLOBEX, remote("globex"), ANN)
    configs.save(ACME, remote("acme", catalog="other"), ANN)
    assert configs.groups() == [ACME, GLOBEX]
    assert configs.active(GLOBEX).version == 1
    assert len(configs.history(GLOBEX)) == 1


def test_an_unknown_group_is_told_how_to_come_in(configs):
    with pytest.raises(UnknownGroup, match=r"acme .*kmflow group import"):
        configs.active(ACME)
    assert configs.find(ACME) is None
    assert configs.history(ACME) == []


def test_a_disabled_group_is_found_but_not_active(configs):
    configs.save(ACME, remote("acme", enabled=False), ANN)
    with pytest.raises(UnknownGroup, match="disabled"):
        configs.active(ACME)
    assert configs.find(ACME) is not None
    assert configs.groups() == []
    assert [config.group_id for config in configs.all_active(include_disabled=True)] == [ACME]


@pytest.mark.parametrize("group", ["", "   ", None])
def test_no_group_is_refused_before_any_statement(configs, engine, group):
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    calls = (
        lambda: configs.find(group),
        lambda: configs.active(group),
        lambda: configs.history(group),
        lambda: configs.save(group, remote("acme"), ANN),
    )
    for call in calls:
        with pytest.raises(MissingGroup):
            call()
    assert statements == []


def test_settings_of_one_group_are_not_saved_for_another(configs):
    with pytest.raises(GroupMismatch):
        configs.save(GLOBEX, remote("acme"), ANN)


def test_settings_need_an_author(configs):
    with pytest.raises(ConfigurationError, match="author"):
        configs.save(ACME, remote("acme"), " ")


@pytest.mark.parametrize("schema", ["acme", "ACME", "acme_bronze", "acme_dq"])
def test_two_groups_never_share_a_schema(configs, schema):
    configs.save(ACME, remote("acme"), ANN)
    address = "ADB-1.7.azuredatabricks.net:443"
    with pytest.raises(ConfigurationError) as caught:
        configs.save(GLOBEX, remote("globex", schema=schema, workspace_url=address), ANN)
    assert caught.value.fields == ("workspace_url", "catalog", "schema")
    assert configs.find(GLOBEX) is None


def test_the_same_schema_on_another_host_or_catalog_is_another_place(configs):
    configs.save(ACME, remote("acme"), ANN)
    configs.save(GLOBEX, remote("globex", schema="acme", catalog="other"), ANN)
    other_host = remote("umbra", schema="acme", workspace_url="https://a.cloud.databricks.com")
    configs.save(GroupId("umbra"), other_host, ANN)
    assert len(configs.groups()) == 3


def test_local_groups_may_have_the_same_names(configs):
    for group in ("acme", "globex"):
        configs.save(GroupId(group), parse_group(group, {"catalog": "m", "schema": "s"}), ANN)
    assert configs.groups() == [ACME, GLOBEX]


@pytest.mark.parametrize("landing", ["/data/in", "/data/in/globex", "/data"])
def test_two_groups_never_share_a_landing_folder(configs, landing):
    configs.save(ACME, remote("acme", landing_path="/data/in"), ANN)
    with pytest.raises(ConfigurationError, match="landing"):
        configs.save(GLOBEX, remote("globex", landing_path=landing), ANN)


def test_a_stale_version_is_refused(configs):
    configs.save(ACME, remote("acme"), ANN)
    configs.save(ACME, remote("acme", catalog="other"), ANN, expected_version=1)
    with pytest.raises(StateConflict):
        configs.save(ACME, remote("acme"), BOB, expected_version=1)
    assert configs.active(ACME).version == 2


def test_of_concurrent_saves_none_is_lost_and_one_stays_active(configs, engine):
    barrier = Barrier(6)

    def save(number: int) -> bool:
        barrier.wait()
        try:
            configs.save(ACME, remote("acme", warehouse_id=f"w{number}"), ANN)
        except StateConflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        saved = sum(pool.map(save, range(6)))

    versions = [version.config.version for version in configs.history(ACME)]
    assert saved >= 1
    assert versions == list(range(saved, 0, -1))
    assert [version.is_active for version in configs.history(ACME)].count(True) == 1


def test_a_save_between_read_and_write_of_another_is_not_overwritten(configs, engine, clock):
    configs.save(ACME, remote("acme"), ANN)
    other = open_engine(engine.url.render_as_string(hide_password=False))
    rival = GroupConfigs(open_sessions(other), clock)
    rivals = [remote("acme", catalog="rival")]

    def save_first(*args: Any) -> None:
        if args[2].startswith("UPDATE") and rivals:
            rival.save(ACME, rivals.pop(), BOB)

    event.listen(engine, "before_cursor_execute", save_first)
    with pytest.raises(StateConflict):
        configs.save(ACME, remote("acme", catalog="mine"), ANN)
    other.dispose()
    assert configs.active(ACME).catalog == "rival"


@pytest.mark.parametrize("column", ["group_id", "namespace_key"])
def test_the_database_itself_refuses_a_second_active_row(configs, engine, column):
    configs.save(ACME, remote("acme"), ANN)
    configs.save(GLOBEX, remote("globex"), ANN)
    copy = f"UPDATE databricks_configs SET version = 9, {column} = :value WHERE group_id = 'globex'"
    with engine.begin() as connection:
        query = f"SELECT {column} FROM databricks_configs WHERE group_id = 'acme'"
        value = connection.execute(text(query)).scalar_one()
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(copy), {"value": value})


def test_a_row_without_group_is_refused_by_the_database(configs, engine):
    configs.save(ACME, remote("acme"), ANN)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE databricks_configs SET group_id = NULL"))


def test_no_column_has_a_default_frozen_at_import():
    assert [column.name for column in DatabricksConfig.__table__.columns if column.default] == []


def test_the_stored_row_holds_the_reference_and_no_secret(configs, engine, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "canary-value")
    configs.save(ACME, remote("acme"), ANN)
    with engine.begin() as connection:
        row = connection.execute(text("SELECT * FROM databricks_configs")).mappings().one()
    assert row["secret_ref"] == "env:ACME_TOKEN"
    assert "canary-value" not in str(dict(row))


def test_a_fault_while_saving_keeps_the_old_settings(configs, engine):
    configs.save(ACME, remote("acme"), ANN)

    def fail(*args: Any) -> None:
        if args[2].startswith("INSERT"):
            raise KmflowError("the disk is full")

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(KmflowError):
        configs.save(ACME, remote("acme", catalog="other"), ANN)
    assert configs.active(ACME).catalog == "main"


def test_two_groups_saved_side_by_side_do_not_end_in_one_folder(configs, engine, clock):
    """Each looked before the other had saved; the second one to write looks again."""
    other = open_engine(engine.url.render_as_string(hide_password=False))
    rival = GroupConfigs(open_sessions(other), clock)
    rivals = [remote("globex", landing_path="/data/in")]

    def save_first(*args: Any) -> None:
        if args[2].startswith("INSERT") and rivals:
            rival.save(GLOBEX, rivals.pop(), BOB)

    event.listen(engine, "before_cursor_execute", save_first)
    with pytest.raises(ConfigurationError, match="landing"):
        configs.save(ACME, remote("acme", landing_path="/data"), ANN)
    other.dispose()
    assert configs.groups() == [GLOBEX]


def test_a_disabled_group_says_so_and_how_to_enable_it(configs):
    configs.save(ACME, remote("acme"), ANN)
    configs.disable(ACME, BOB)
    with pytest.raises(GroupDisabled, match=r"acme is disabled .*enabled=true"):
        configs.active(ACME)
    assert configs.history(ACME)[0].created_by_email == BOB


def test_disabling_on_the_ground_of_an_old_version_is_refused(configs):
    configs.save(ACME, remote("acme"), ANN)
    configs.save(ACME, remote("acme", catalog="other"), ANN)
    with pytest.raises(SettingsConflict):
        configs.disable(ACME, BOB, expected_version=1)
    assert configs.active(ACME).version == 2


def test_a_database_that_is_away_is_named_as_such(configs, engine):
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE databricks_configs RENAME TO away"))
    for call in (lambda: configs.find(ACME), lambda: configs.save(ACME, remote("acme"), ANN)):
        with pytest.raises(StorageUnavailable):
            call()
