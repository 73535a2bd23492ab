"""A file of groups into the control database, once and again."""

from __future__ import annotations

import pytest

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.operations.group_configuration import import_groups
from kmflow_orchestration_tests.control_databases import engine_of

ANN = "ann@kmflow.test"


@pytest.fixture
def configs(tmp_path, clock, control_database):
    engine = engine_of(control_database(tmp_path / "control.db"))
    return GroupConfigs(open_sessions(engine), clock)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "groups.yaml"
    path.write_text("groups: {acme: {schema: a}, globex: {schema: b}}")
    return path


def test_the_same_file_again_saves_nothing(configs, path):
    first = import_groups(path, configs=configs, author=ANN)
    again = import_groups(path, configs=configs, author=ANN)
    assert [group.changed for group in first] == [True, True]
    assert [group.changed for group in again] == [False, False]
    assert [group.config for group in again] == [group.config for group in first]


def test_only_the_changed_group_gets_a_new_version(configs, path):
    import_groups(path, configs=configs, author=ANN)
    path.write_text("groups: {acme: {schema: a}, globex: {schema: c}}")
    import_groups(path, configs=configs, author=ANN)
    assert [config.version for config in configs.all_active()] == [1, 2]


def test_one_wrong_group_keeps_the_whole_file_out(configs, path):
    path.write_text("groups: {acme: {}, globex: {catalog: a b}}")
    with pytest.raises(ConfigurationError, match=r"globex: catalog"):
        import_groups(path, configs=configs, author=ANN)
    assert configs.groups() == []
