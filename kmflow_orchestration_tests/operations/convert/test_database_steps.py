"""Row D17: the six steps of a database's conversion, from its reader to whoever looks on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.converters.reading_steps import ReadingStep
from kmflow_orchestration.operations.convert.apart import convert_apart
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.idle_process import kept_process
from kmflow_orchestration.operations.convert.one_process import Limits
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.progress import STEPS, percent
from kmflow_orchestration.operations.convert.progress_display import ProgressDisplay
from kmflow_orchestration_tests.converters.access_samples import access_file
from kmflow_orchestration_tests.converters.jet3_file import OldTable, jet3_file
from kmflow_orchestration_tests.operations.convert.database_of_loans import LINES, loans_database

Told = tuple[str, int, int, str, str]
SIX = [step.value for step in ReadingStep]


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    return loans_database(tmp_path / "in")


def steps(told: list[Told]) -> list[str]:
    return [message for *_, unit, message in told if unit == STEPS]


def test_each_step_is_told_in_its_order_with_what_was_found(loans: Path) -> None:
    told: list[Told] = []
    convert_file(loans, tell=lambda *now: told.append(now))

    assert steps(told) == LINES
    reached = [percent(stage, done, total) for stage, done, total, *_ in told]
    assert (reached, reached[0], reached[-1]) == (sorted(reached), 0, 100)
    rows = [(done, total, message) for stage, done, total, _, message in told if stage == "read"]
    assert rows == [
        (0, 5, "per-table rows: Customers"),
        (3, 5, "per-table rows: Customers"),
        (3, 5, "per-table rows: Empty"),
        (3, 5, "per-table rows: Loans"),
        (5, 5, "per-table rows: Loans"),
    ]


@pytest.mark.parametrize("name", ["jet4.mdb", "ace.accdb"])
def test_the_steps_come_from_the_other_process_too(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(access_file(name))
    told: list[Told] = []

    with kept_process(Limits()) as process:
        options = conversion_options()
        convert_apart(process, tmp_path / name, None, options, tell=lambda *now: told.append(now))

    assert [message.partition(":")[0] for message in steps(told)] == SIX


def test_of_many_tables_ten_are_named(tmp_path: Path) -> None:
    tables = [OldTable(f"T{at:02}", [("Id", "long")], [(at,)]) for at in range(12)]
    (tmp_path / "many.mdb").write_bytes(jet3_file(tables))
    told: list[Told] = []
    convert_file(tmp_path / "many.mdb", tell=lambda *now: told.append(now), dry_run=True)

    assert len(steps(told)) == 5  # nothing is extracted
    assert steps(told)[3].endswith("T08 1, T09 1, 2 more")


def test_a_batch_tells_them_of_each_file(loans: Path) -> None:
    told: list[tuple[str, str]] = []
    plan = plan_folder(loans.parent, loans.parent.parent / "out")
    convert_folder(plan, underway=lambda path, _, what: told.append((path, what)))

    assert [what for _, what in told if what in LINES] == LINES
    assert {path for path, _ in told} == {"loans.mdb"}


def test_a_batch_goes_on_without_a_display_that_fails(
    loans: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (loans.parent / "b.csv").write_text("id\n1\n")

    def fail(*_: object) -> None:
        raise RuntimeError("no terminal any more")

    plan = plan_folder(loans.parent, loans.parent.parent / "out")
    done = convert_folder(plan, on_file=fail)

    assert {one.status.value for one in done.files} == {"converted"}
    assert caplog.text.count("the progress display failed") == 1


def test_a_notebook_keeps_them_below_the_bar(loans: Path) -> None:
    shown: list[str] = []
    display = ProgressDisplay(lambda one: shown.append(one._repr_html_()))
    convert_file(loans, tell=display.at)

    assert shown[-1].endswith("".join(f"<br>{line}" for line in LINES) + "</div>")
