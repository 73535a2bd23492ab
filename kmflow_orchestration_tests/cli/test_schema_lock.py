"""`kmflow convert --on-drift` as a person calls it (row CD-N5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "loans.csv"
    path.parent.mkdir()
    path.write_text("id,amount\n1,1.50\n")
    return path


def test_drift_is_an_error_with_the_differences_and_then_accepted(
    kmflow: Kmflow, loans: Path
) -> None:
    assert kmflow("convert", str(loans), "--on-drift", "fail").code == 0
    loans.write_text("id,amount\n1,x\n")

    refused = kmflow("convert", str(loans), "--on-drift", "fail", "--force")
    looked = kmflow("convert", str(loans), "--on-drift", "widen", "--force", "--dry-run")
    widened = kmflow("convert", str(loans), "--on-drift", "widen", "--force", "--json")
    settled = kmflow("convert", str(loans), "--on-drift", "fail", "--force")

    assert refused.code == 1
    assert "KM-DRIFT-001" in refused.err
    assert "column amount was decimal128(18, 2) and is string" in " ".join(refused.err.split())
    assert "drift: column amount" in looked.err
    assert "the schema lock would be widened: loans.schema.lock" in looked.err
    lock = widened.json["manifest"]["schema_lock"]
    assert (lock["version"], lock["drift"][0]["kind"]) == (1, "retyped")
    assert (settled.code, "column amount" in settled.err) == (0, False)


def test_a_batch_tells_of_drift_in_its_report_and_goes_on(
    kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    report, words = tmp_path / "report.json", ("batch-convert", str(loans.parent), "--on-drift")
    kmflow("convert", str(loans), f"{tmp_path / 'in_converted'}/", "--on-drift", "fail")
    loans.write_text("id,amount\n1,x\n")

    refused = kmflow(*words, "fail", "--report", str(report))
    moved = kmflow(*words, "new-version")

    drift = "column amount was decimal128(18, 2) and is string"
    (told,) = json.loads(report.read_text())["files"]
    assert (refused.code, told["code"], told["drift"]) == (1, "KM-DRIFT-001", [drift])
    assert moved.code == 0
    assert f"loans.csv: drift: {drift}" in " ".join(moved.err.split())
