"""`--pdf-tables`: ruled tables and those plainly aligned, and nothing that may be prose (D32)."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.archives.bundles import CSV
from kmflow_orchestration_tests.converters.documents.page_samples import pdf
from kmflow_orchestration_tests.converters.documents.ruled_pages import (
    cells,
    page_of,
    pdf_of,
    ruled,
    text_at,
)

LOANS = [["loan", "place", "amount"], ["1", "North branch", "2.50"], ["2", "", "1200"]]
RATES = [["product", "term", "rate"], ["Loan A", "12", "4.5"], ["Loan B", "24", "5.25"]]


def _converted(folder: Path, content: bytes, name: str = "a.pdf", **how: object) -> Conversion:
    path = folder / name
    path.write_bytes(content)
    options = conversion_options({"force": True, "pdf_tables": True, **how})
    return convert_file(path, f"{folder}/out/", options)


def _tables(done: Conversion) -> dict[str, list[list[object]]]:
    """By part, with the header as first row."""
    found = {}
    for file, record in zip(done.outputs, done.manifest.outputs, strict=True):
        if record.part.startswith("p") and record.part != "pages":
            table = pq.read_table(file)
            rows = [list(row.values()) for row in table.to_pylist()]
            found[record.part] = [table.column_names, *rows]
    return found


def test_ruled_and_aligned_tables_come_and_the_text_stays(tmp_path: Path) -> None:
    first = page_of(text_at(60, 800, "Loans of the year"), ruled(LOANS, 760), cells(RATES, 600))
    second = page_of(text_at(60, 800, "Only words here"), ruled([["x", "y"], ["1", "2"]], 700))

    done = _converted(tmp_path, pdf_of([first, second]))

    assert _tables(done) == {
        "p1_t1": [LOANS[0], [1, "North branch", 2.5], [2, None, 1200]],
        "p1_t2": [RATES[0], ["Loan A", 12, 4.5], ["Loan B", 24, 5.25]],
        "p2_t1": [["x", "y"], [1, 2]],
    }
    kinds = [
        one.receipt["options"]["heading"]
        for one in done.manifest.outputs
        if one.part in ("p1_t1", "p1_t2", "p2_t1")
    ]
    assert kinds == ["ruled table", "aligned table", "ruled table"]
    text = next(one for one in done.outputs if one.suffix == ".txt").read_text()
    assert "North branch" in text
    assert "5.25" in text
    assert done.missed == ()
    assert verify_output(done.manifest_path).is_equal


def test_what_may_be_prose_is_no_table(tmp_path: Path) -> None:
    columns = [["some words of", "a text that", "runs in three"] for _ in range(5)]
    pairs = [["Name", "1"], ["Other", "2"], ["Third", "3"]]
    crossing = [["a", "b", "1"], ["a", "b", "2"]]
    box = page_of(
        b"60 500 m 300 500 l 300 560 l 60 560 l h S",
        text_at(70, 540, "in"),
        text_at(70, 520, "a box"),
    )
    pages = [cells(columns, 760), cells(pairs, 760), cells(crossing, 760), box]

    done = _converted(tmp_path, pdf_of(pages))

    assert _tables(done) == {}


def test_only_the_pages_that_are_wanted_are_looked_at(tmp_path: Path) -> None:
    content = pdf_of([ruled(LOANS, 760), ruled(RATES, 760)])

    assert set(_tables(_converted(tmp_path, content, pages="2"))) == {"p2_t1"}
    assert _tables(_converted(tmp_path, content, pdf_tables=False)) == {}


def test_a_damaged_page_costs_no_other_page_its_tables(tmp_path: Path) -> None:
    done = _converted(tmp_path, pdf(has_damaged_page=True))

    assert [text.partition(":")[0] for text in done.missed] == ["page 4"]
    assert next(one for one in done.manifest.outputs if one.part == "pages").rows == 4


def test_the_option_is_for_pages_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="pdf-tables"):
        _converted(tmp_path, CSV, "a.csv")
