"""Whatever happens to a conversion, what was there before stays or all is new (row D4)."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import (
    CorruptInput,
    DataLossError,
    OutOfMemoryError,
    OutputExistsError,
    UnsafePath,
)
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration_tests.operations.convert.conftest import (
    LOANS,
    BentConverter,
    names_in,
    only,
)


def test_what_is_there_already_stays_until_force_replaces_it(loans: Path) -> None:
    target = loans.with_suffix(".parquet")
    target.write_bytes(b"mine")

    with pytest.raises(OutputExistsError, match="there already"):
        convert_file(loans)
    assert target.read_bytes() == b"mine"

    convert_file(loans, options=conversion_options({"force": True}))
    assert pq.read_metadata(target).num_rows == 3


def test_force_never_replaces_a_folder_that_no_conversion_made(workbook: Path) -> None:
    folder = workbook.parent / "book_parquet"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep me")

    with pytest.raises(UnsafePath, match="no conversion made"):
        convert_file(workbook, options=conversion_options({"force": True}))

    assert names_in(folder) == {"mine.txt"}


def test_a_source_is_never_replaced_by_its_own_result(loans: Path, workbook: Path) -> None:
    rejects = loans.with_name("x.rejects.parquet")
    pq.write_table(pa.table({"a": [1]}), rejects)
    told = loans.with_name("_x.parquet.manifest.json")
    told.write_text('[{"a": 1}]')
    convert_file(workbook)
    inside = workbook.rename(workbook.parent / "book_parquet" / workbook.name)
    cases = (
        (rejects, loans.with_name("x.csv")),
        (told, loans.with_name("x.parquet")),
        (inside, workbook.parent),
    )
    options = {"force": True, "on_bad_row": "quarantine"}
    for source, output in cases:
        before = source.read_bytes()
        with pytest.raises(UnsafePath, match="its own result"):
            convert_file(source, output, conversion_options(options))
        assert source.read_bytes() == before


@pytest.mark.parametrize("body", ["1,2\n", "1,2\n3\n"], ids=["whole", "ragged"])
def test_force_spares_what_is_only_named_as_rows_that_were_rejected(loans: Path, body: str) -> None:
    mine = loans.with_name("loans.rejects.parquet")
    mine.write_bytes(b"mine")
    options = conversion_options({"force": True, "on_bad_row": "quarantine"})
    loans.write_text(f"a,b\n{body}")

    if body.endswith("3\n"):
        with pytest.raises(OutputExistsError, match="not of an earlier result"):
            convert_file(loans, options=options)
        assert names_in(loans.parent) == {loans.name, mine.name}
    else:
        convert_file(loans, options=options)

    assert mine.read_bytes() == b"mine"


def test_a_folder_of_an_earlier_conversion_is_replaced_whole(workbook: Path) -> None:
    convert_file(workbook)
    folder = workbook.parent / "book_parquet"
    (folder / "book_Gone.parquet").write_bytes(b"of a sheet that is no more")

    convert_file(workbook, options=conversion_options({"force": True}))

    assert "book_Gone.parquet" not in names_in(folder)
    assert not list(workbook.parent.glob(".kmflow-convert-*"))


@pytest.mark.parametrize(
    ("bends", "error"),
    [
        ({"drops_rows": 1}, DataLossError),
        ({"fails": ValueError}, CorruptInput),
        ({"fails": MemoryError}, OutOfMemoryError),
    ],
    ids=str,
)
@pytest.mark.parametrize("had", [False, True], ids=["new", "old"])
def test_a_fault_while_writing_leaves_what_was_there(
    loans: Path, bends: dict[str, object], error: type[Exception], had: bool
) -> None:
    force = conversion_options({"force": True})
    if had:
        convert_file(loans)
    before = {name: (loans.parent / name).read_bytes() for name in names_in(loans.parent)}

    with pytest.raises(error):
        convert_file(loans, options=force, registry=only(BentConverter(**bends)))

    after = {name: (loans.parent / name).read_bytes() for name in names_in(loans.parent)}
    assert after == before


def test_a_fault_leaves_no_new_folder_either(loans: Path, tmp_path: Path) -> None:
    bent = only(BentConverter(drops_rows=1))

    with pytest.raises(DataLossError, match="2 were written"):
        convert_file(loans, tmp_path / "deep" / "er" / "x.parquet", registry=bent)

    assert not (tmp_path / "deep").exists()


def test_an_interrupt_leaves_nothing(loans: Path) -> None:
    def tell(stage: str, done: int, total: int, unit: str, message: str) -> None:
        if stage == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_file(loans, tell=tell)

    assert names_in(loans.parent) == {"loans.csv"}


def test_a_display_that_fails_ends_no_conversion(
    loans: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def tell(*_: object) -> None:
        raise RuntimeError("no terminal any more")

    convert_file(loans, tell=tell)

    assert loans.with_suffix(".parquet").exists()
    assert caplog.text.count("the progress display failed") == 1


def test_progress_only_grows(loans: Path) -> None:
    from kmflow_orchestration.operations.convert.progress import percent

    told: list[float] = []
    convert_file(
        loans, tell=lambda stage, done, total, *_: told.append(percent(stage, done, total))
    )

    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 100)


def test_a_file_that_changes_under_way_is_not_put_in_place(loans: Path) -> None:
    def tell(stage: str, *_: object) -> None:
        if stage == "write":
            loans.write_text(LOANS + "4,Bo,1.00,2026-04-05\n")

    with pytest.raises(DataLossError, match="changed while it was read"):
        convert_file(loans, tell=tell)

    assert names_in(loans.parent) == {"loans.csv"}


def test_what_a_killed_conversion_left_is_swept_a_day_later(loans: Path) -> None:
    fresh, stale = (loans.parent / f".kmflow-convert-{name}" for name in ("fresh", "stale"))
    for folder in (fresh, stale):
        folder.mkdir()
        (folder / "part.parquet").write_bytes(b"half")
    os.utime(stale, (0, 0))

    convert_file(loans)

    assert fresh.exists()
    assert not stale.exists()
