"""`kmflow dataset set|unset|corrections|replay`, and what `kmflow files why` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.cli.conftest import Kmflow

ACME = GroupId("acme")
CONFIGURATION, USAGE = 3, 2


@pytest.fixture
def acme(kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kmflow:
    """A group with two files in tables."""
    monkeypatch.setenv("KMFLOW_QUIET_PERIOD_S", "0")
    monkeypatch.setenv("KMFLOW_CONVERSION_WORKERS", "1")
    assert kmflow("group", "create", "acme", f"landing_path={tmp_path / 'landing'}").code == 0
    assert kmflow("provision").code == 0
    folder = tmp_path / "landing" / "e1"
    (folder / "old").mkdir(parents=True)
    (folder / "paid_1.csv").write_text("id,on\n1,01/02/2026\n")
    (folder / "old" / "zip_1.csv").write_text("id,zip\n1,5\n")
    with Context(load_settings()) as context:
        group = context.group(ACME)
        sweep_all(ACME, group.landing_root, ledger=context.ledger, clock=context.clock)
        day = utc_day(context.clock.now())
        store_batch(ACME, day, **group.storing())
        publish_datasets(ACME, day, **{**group.converting(), "workers": 0})
    return kmflow


def test_a_correction_is_set_listed_replayed_and_taken_back(acme: Kmflow) -> None:
    change = ("dataset", "set", "paid", "--engagement", "e1", "--group", "acme")
    planned = acme(*change, "--date-order", "dmy", "--dry-run", "--json").json
    assert (planned["changed"], planned["tables"]) == (False, ["e1__paid"])
    assert acme("dataset", "corrections", "--group", "acme", "--json").json["corrections"] == []

    assert "kmflow dataset replay --group acme" in acme(*change, "--date-order", "dmy").err
    assert "it was so before" in acme(*change, "--date-order", "dmy").err
    (held,) = acme("dataset", "corrections", "--group", "acme", "--json").json["corrections"]
    assert (held["number"], held["target"], held["name"]) == (1, "e1__paid", "date_order")
    assert "date_order dmy" in acme("dataset", "corrections", "--group", "acme").out
    (done,) = acme("dataset", "replay", "--group", "acme", "--json").json["days"]
    assert (done["files"], done["tables"]) == (2, ["e1__paid", "e1__zip"])
    assert "nothing is to be converted" in acme("dataset", "replay", "--group", "acme").err

    assert acme("dataset", "unset", "1", "--group", "acme", "--json").json["changed"]
    gone = acme("dataset", "unset", "1", "--group", "acme")
    assert (gone.code, "no correction 1" in gone.err) == (CONFIGURATION, True)


def test_why_a_file_is_in_no_table_is_told(acme: Kmflow) -> None:
    ignore = ("dataset", "set", "--ignore", "old/*", "--engagement", "e1", "--group", "acme")
    assert acme(*ignore).code == 0
    acme("dataset", "replay", "--group", "acme")

    told = acme("files", "why", "e1/old/zip_1.csv", "--group", "acme", "--json").json

    step = told["paths"][0]["steps"][-1]
    assert step["tables"] == []
    assert "its rows stay out of tables: correction #1 old/*: ignore, by" in step["state"]


def test_what_is_not_there_is_refused_in_words(acme: Kmflow) -> None:
    def refused(*said: str) -> tuple[int, str]:
        outcome = acme("dataset", "set", *said, "--group", "acme")
        return outcome.code, outcome.err

    code, said = refused("e1__zip.zib", "--type", "text")
    assert (code, "did you mean zip" in said) == (CONFIGURATION, True)
    code, said = refused("e1__zip", "--record-path", "a")
    assert (code, "--record-path means nothing to the delimited" in said) == (USAGE, True)
