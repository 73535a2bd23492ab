"""Several people and processes that write the same thing at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import Engine, event

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.errors import InvalidSettings, KmflowError, SettingsConflict
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import EngagementId, GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.fakes import FakeClock

ACME, E1 = GroupId("acme"), EngagementId("e1")
ANN = "ann@kmflow.test"


@pytest.fixture
def engine(tmp_path: Path, control_database: NewDatabase) -> Engine:
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def configs(engine: Engine, clock: FakeClock) -> GroupConfigs:
    return GroupConfigs(open_sessions(engine), clock)


def meet_before_insert(engine: Engine, table: str, number: int) -> None:
    """So many transactions have read what they decide by when the first of them writes."""
    meeting = Barrier(number)

    def wait(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(f"INSERT INTO {table}"):
            # Who comes a second time finds nobody to wait for.
            with suppress(BrokenBarrierError):
                meeting.wait(1.0)

    event.listen(engine, "before_cursor_execute", wait)


def all_at_once(attempts: list[Callable[[], Any]]) -> list[Any]:
    """What each attempt gave or raised."""

    def outcome(attempt: Callable[[], Any]) -> Any:
        try:
            return attempt()
        except KmflowError as error:
            return type(error)

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(outcome, attempts))


def test_of_two_admins_that_change_one_version_one_is_told_to_read_again(
    configs: GroupConfigs, engine: Engine
) -> None:
    configs.save(ACME, parse_group("acme", {"schema": "a"}), ANN)

    def save(schema: str) -> str:
        values = parse_group("acme", {"schema": schema})
        return configs.save(ACME, values, ANN, expected_version=1).schema

    found = all_at_once([lambda: save("mine"), lambda: save("yours")])

    assert found.count(SettingsConflict) == 1
    assert configs.active(ACME).schema in found
    assert [one.config.version for one in configs.history(ACME)] == [2, 1]


def test_of_two_new_groups_in_one_landing_folder_one_is_refused(
    configs: GroupConfigs, engine: Engine
) -> None:
    meet_before_insert(engine, "databricks_configs", 2)

    def save(name: str) -> str:
        values = parse_group(name, {"schema": name, "landing_path": "/srv/in"})
        return configs.save(GroupId(name), values, ANN).group_id

    found = all_at_once([lambda: save("acme"), lambda: save("globex")])

    assert found.count(InvalidSettings) == 1
    assert [config.group_id for config in configs.all_active()] == [
        one for one in found if one is not InvalidSettings
    ]


def test_of_two_new_groups_in_one_schema_one_is_refused(
    configs: GroupConfigs, engine: Engine
) -> None:
    meet_before_insert(engine, "databricks_configs", 2)
    same = {
        "workspace_url": "https://adb-1.7.azuredatabricks.net",
        "warehouse_id": "w1",
        "catalog": "main",
        "schema": "evidence",
        "token": "env:ACME_TOKEN",
    }

    def save(name: str) -> str:
        return configs.save(GroupId(name), parse_group(name, same), ANN).group_id

    found = all_at_once([lambda: save("acme"), lambda: save("globex")])

    assert len({InvalidSettings, SettingsConflict} & {*found}) == 1
    assert len(configs.all_active()) == 1


def test_datasets_named_at_once_get_a_table_each(engine: Engine) -> None:
    meet_before_insert(engine, "datasets", 2)
    registry = DatasetTables(open_sessions(engine))
    keys = ("loan book", "loan_book")

    found = all_at_once(
        [
            lambda key=key: registry.table_name(ACME, E1, key, ("e1__loan_book", f"e1__{key}_x"))
            for key in keys
        ]
    )

    assert len(set(found)) == 2
    assert "e1__loan_book" in found
    assert found == [registry.table_name(ACME, E1, key, ("none",)) for key in keys]


def test_one_dataset_named_by_two_processes_at_once_has_one_table(engine: Engine) -> None:
    meet_before_insert(engine, "datasets", 2)
    registry = DatasetTables(open_sessions(engine))

    found = all_at_once(
        [lambda: registry.table_name(ACME, E1, "loans", ("e1__loans", "e1__loans_x"))] * 2
    )

    assert found == ["e1__loans", "e1__loans"]
