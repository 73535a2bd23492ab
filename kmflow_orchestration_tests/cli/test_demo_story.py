"""What a person reads at the end of the demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.cli.demo_story import run_line, tell
from kmflow_orchestration.demo.local_daemon import RunOutcome
from kmflow_orchestration.demo.report import GroupReport
from kmflow_orchestration.demo.run_demo import DemoReport
from kmflow_orchestration.metadata.intake_records import Quarantine
from kmflow_orchestration.metadata.profile_records import Anomaly, Score
from kmflow_orchestration.names import GroupId

PHONE = {"schema_name": "main_bronze", "table_name": "e1__people", "column_name": "phone"}
ACME = GroupReport(
    group=GroupId("acme"),
    files_stored=3,
    files_new=4,
    duplicates=1,
    superseded=0,
    quarantined=(Quarantine("e1/[x].csv", "empty"), Quarantine("b.csv", "odd", "told so")),
    tables={"main_bronze.e1__people": 1200, "main_gold.empty": 0},
    profile_runs=(),
    issues=(Anomaly(**PHONE, anomaly_type_id="1002", anomaly_type="Non_Standard_Blanks"),),
    worst_columns=(Score(scope="column", **PHONE, score=0.5),),
    score=0.99,
    places={"landing": "/landing/acme"},
)
REPORT = DemoReport(seconds=12.0, groups=(ACME,), runs=())


def told(capsys: pytest.CaptureFixture[str], report: DemoReport, **options: Path) -> str:
    tell(report, **options)
    return " ".join(capsys.readouterr().out.split())


def test_it_tells_what_came_in_what_did_not_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, REPORT)

    assert "3 files are stored and current, 0 superseded by newer content, 1 copies" in text
    assert "e1/[x].csv │ empty │ it is empty" in text
    assert "b.csv │ odd │ told so" in text
    assert "main_bronze.e1__people │ 1,200" in text
    assert "and 1 tables that are made and still empty" in text
    assert "phone │ 50.00% │ Non_Standard_Blanks" in text
    assert "quality score 99.00%" in text


def test_what_to_try_next_works_in_the_folder_that_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "`kmflow group show acme`" in told(capsys, REPORT)
    text = told(capsys, REPORT, directory=Path("my demo"))
    assert "`KMFLOW_HOME='my demo' kmflow group show acme`" in text
    assert "`kmflow dev --dir 'my demo'`" in text


def test_a_demo_that_did_not_end_well_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    failed = RunOutcome("1", ("evidence_files",), "acme|2026-11-20", succeeded=False)
    text = told(capsys, replace(REPORT, runs=(failed,), settled=False))

    assert "1 Dagster runs failed" in text
    assert "run the demo again to go on" in text
    assert run_line(failed).split()[1:4] == ["acme", "2026-11-20", "files"]
