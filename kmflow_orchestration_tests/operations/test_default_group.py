"""AD14 and AB-S17: the environment is a group only by name, and only while it has no settings."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.sandbox import demo_settings
from kmflow_orchestration.errors import ConfigurationError, UnknownGroup
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.embedded import embedded_server, room

__all__ = ["embedded_server", "room"]
ACME, GLOBEX = GroupId("acme"), GroupId("globex")


@pytest.fixture
def opened(tmp_path, monkeypatch, room):
    """A context whose environment is acme's, on the embedded workspace."""
    group = room.group("acme")
    variables = {
        "USE_DATABRICKS": "true",
        "DATABRICKS_HOST": room.url,
        "DATABRICKS_TOKEN": group.token,
        "DATABRICKS_WAREHOUSE_ID": "0a1b",
        "DATABRICKS_CATALOG": "acme",
        "DATABRICKS_SCHEMA": "main",
        "KMFLOW_ALLOW_INSECURE_LOOPBACK": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def context(default="acme", **overrides):
        settings = load_settings(home=str(tmp_path / "home"), default_group=default, **overrides)
        made = Context(settings, clock=SystemClock())
        made.migrate()
        return made

    return context


def test_the_environment_is_the_configuration_of_the_named_group(opened, room):
    with opened() as context:
        config = context.group(ACME).config
        assert (config.workspace_url, config.catalog, config.version) == (room.url, "acme", 0)
        assert context.clients.get(config).client.current_user.me().user_name == "acme-service"
        assert context.group_configs.groups() == [ACME]
        assert context.group_configs.all_active() == [config]


def test_a_profile_is_enough(opened, room, monkeypatch, tmp_path):
    """`DATABRICKS_PROFILE=prod` and no token: client and SQL engine alike (row C8)."""
    file = tmp_path / "databrickscfg"
    file.write_text(f"[prod]\nhost = {room.url}\ntoken = {room.group('acme').token}\n")
    file.chmod(0o600)
    warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_PROFILE", "prod")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", warehouse)
    with opened() as context:
        config = context.group(ACME).config
        assert context.clients.get(config).client.current_user.me().user_name == "acme-service"
        with context.get_engine(ACME).connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_without_the_name_it_is_nobodys(opened):
    with opened(default="") as context:
        assert context.group_configs.groups() == []
        with pytest.raises(UnknownGroup):
            context.group(ACME)


def test_no_other_group_gets_it(opened):
    with opened() as context, pytest.raises(UnknownGroup):
        context.group(GLOBEX)


def test_settings_of_its_own_come_first(opened):
    with opened() as context:
        saved = context.group_configs.save(ACME, parse_group("acme", {"schema": "own"}), "ann")
        assert context.group(ACME).config == saved
        assert context.group_configs.all_active() == [saved]


def test_a_group_that_was_disabled_does_not_come_back_by_the_environment(opened):
    with opened() as context:
        context.group_configs.save(ACME, parse_group("acme", {"enabled": False}), "ann")
        assert context.group_configs.groups() == []
        with pytest.raises(UnknownGroup, match="disabled"):
            context.group(ACME)


def test_a_faulty_environment_stops_its_own_group_only(opened, monkeypatch, caplog):
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with opened() as context:
        context.group_configs.save(GLOBEX, parse_group("globex", {}), "ann")
        assert context.group_configs.groups() == [ACME, GLOBEX]
        assert context.group(GLOBEX).config.group_id == GLOBEX
        assert [one.group_id for one in context.group_configs.all_active()] == [GLOBEX]
        assert "group acme: missing DATABRICKS_TOKEN" in caplog.text
        with pytest.raises(ConfigurationError, match="group acme: missing DATABRICKS_TOKEN"):
            context.group(ACME)


@pytest.mark.parametrize("storage", ["local", "databricks"])
def test_switched_off_it_is_nobodys_either(opened, storage):
    with opened(use_databricks=False, storage_backend=storage) as context:
        assert context.group_configs.groups() == []


def test_the_demo_never_takes_the_environments_workspace(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("KMFLOW_DEFAULT_GROUP", "acme")
    (tmp_path / "demo").mkdir()
    overrides = demo_settings(Home(tmp_path / "demo"), "databricks")
    with Context(load_settings(**overrides)) as context:
        context.migrate()
        assert context.group_configs.groups() == []


def test_a_secret_scope_is_read_as_the_process_itself(opened, room):
    from kmflow_orchestration.config.secret_refs import SecretRef
    from kmflow_orchestration.workspace.seeding import seed_secret

    seed_secret(
        room.server, "kmflow", "key", "a-value-4f9d8a7b", readers=[room.group("acme").caller]
    )
    with opened() as context:
        secret = SecretRef("secret", "kmflow/key").resolve(context.connections.secrets)
        assert secret.reveal() == "a-value-4f9d8a7b"
