"""The notebook, run from its file as the platform runs it: widgets in, a completion out (E22)."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration import notebooks
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.notebooks.widgets import arguments_from
from kmflow_orchestration.profiling.job_parameters import PARAMETERS
from kmflow_orchestration.runs.job_runner import JOB_PARAMETERS
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS
from kmflow_orchestration_tests.profiling.conftest import sail_server, spark, world
from kmflow_orchestration_tests.profiling.receiver import Receiver, RunningReceiver
from kmflow_orchestration_tests.profiling.world import in_child

__all__ = ["sail_server", "spark", "world"]

NOTEBOOK = Path(notebooks.__file__).parent / "profile_table_group.py"
NEEDED = ("group_id", "table_group_id", "profile_run_id", "catalog", "data_quality_schema")


@dataclass
class Widgets:
    """Widgets as the platform keeps them: a job's parameter wins over a widget's default."""

    given: dict[str, str]
    declared: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str) -> None:
        self.declared[name] = self.given.get(name, default)

    def get(self, name: str) -> str:
        return self.declared[name]


@dataclass
class Utilities:
    """The part of `dbutils` that a notebook needs."""

    widgets: Widgets


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with RunningReceiver() as running:
        yield running


def run_notebook(**given: str) -> Any:
    return runpy.run_path(str(NOTEBOOK), {"dbutils": Utilities(Widgets(given))})


def test_the_file_is_a_notebook_to_the_platform():
    assert NOTEBOOK.read_text(encoding="utf-8").startswith("# Databricks notebook source\n")
    assert "# COMMAND" not in NOTEBOOK.read_text(encoding="utf-8")


def test_every_parameter_of_a_run_has_its_widget():
    widgets = Widgets({})

    assert arguments_from(Utilities(widgets)) == []
    assert widgets.declared == dict.fromkeys(PARAMETERS, "")
    assert set(JOB_PARAMETERS) <= set(PARAMETERS)


def test_filled_widgets_are_the_arguments_of_the_entry_point():
    utilities = Utilities(Widgets({"catalog": "main", "group_id": "acme"}))

    assert arguments_from(utilities) == ["--group_id=acme", "--catalog=main"]


@pytest.mark.slow
def test_the_notebook_profiles_a_table_group_and_reports(world, sail_server, receiver):
    world.add_table("clients", "SELECT ' Anna' AS first_name, 7 AS amount")
    given = {name: getattr(world.parameters, name) for name in NEEDED}
    given |= {"callback_url": receiver.url, "callback_token": "v1.9.secret"}

    done = in_child(
        [sys.executable, "-c", f"from {__name__} import run_notebook; run_notebook(**{given!r})"],
        world,
        sail_server,
    )

    assert done.returncode == 0, done.stderr
    (body,) = receiver.bodies
    assert (body["status"], body["row_count"], body["column_count"]) == ("completed", 1, 2)
    assert len(world.rows(DQ_PROFILE_RESULTS)) == 2


@pytest.mark.parametrize("missing", ["table_group_id", "profile_run_id", "data_quality_schema"])
def test_a_notebook_that_is_told_too_little_says_so_and_fails_before_it_asks_for_spark(
    receiver, missing
):
    given = {name: "x" for name in NEEDED if name != missing}

    with pytest.raises(ConfigurationError) as refused:
        run_notebook(**given, callback_url=receiver.url, callback_token="v1.9.secret")

    assert refused.value.fields == (missing,)
    (body,) = receiver.bodies
    assert body["status"] == "failed"
    assert missing in body["error_message"]


def test_an_empty_widget_falls_back_to_the_environment(receiver, monkeypatch):
    monkeypatch.setenv("TABLE_GROUP_ID", "e1")
    given = dict.fromkeys(NEEDED[2:], "x")

    with pytest.raises(ConfigurationError) as refused:
        run_notebook(**given, callback_url=receiver.url)

    assert refused.value.fields == ("group_id",)
