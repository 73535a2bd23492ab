"""A local file into files: what comes out, nothing lost, all or nothing (D4, D18 to D20)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from PIL import Image

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.errors import (
    CorruptInput,
    InvalidOptions,
    UnsafePath,
    UnsupportedFormatError,
)
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.inspect_file import inspect_file
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.option_table import COMPRESSIONS, OPTIONS
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.operations.convert.conftest import (
    BentConverter,
    names_in,
    only,
)


def test_a_table_comes_out_typed_with_its_nulls_and_empty_texts(loans: Path) -> None:
    done = convert_file(loans)

    table = pq.read_table(loans.with_suffix(".parquet"))
    assert [str(kind) for kind in table.schema.types] == [
        *("int64", "string", "decimal128(18, 2)", "date32[day]"),
    ]
    assert table.to_pylist()[1:] == [
        {"id": 2, "name": "", "amount": None, "opened": date(2026, 2, 3)},
        {"id": 3, "name": None, "amount": Decimal("7.25"), "opened": date(2026, 3, 4)},
    ]
    assert (done.rows, done.missed) == (3, ())
    assert names_in(loans.parent) == {
        *("loans.csv", "loans.parquet", "_loans.parquet.manifest.json"),
    }


def test_a_time_without_a_zone_gets_none_and_one_with_a_zone_is_in_utc(tmp_path: Path) -> None:
    source = tmp_path / "times.csv"
    source.write_text("local,zoned\n2026-01-02 10:00,2026-01-02T10:00+02:00\n")

    convert_file(source)

    [row] = pq.read_table(tmp_path / "times.parquet").to_pylist()
    assert row["local"] == datetime(2026, 1, 2, 10)  # noqa: DTZ001
    assert row["zoned"] == datetime(2026, 1, 2, 8, tzinfo=UTC)


def test_text_mode_keeps_every_value_as_it_stood(loans: Path) -> None:
    convert_file(loans, options=conversion_options({"types": "string"}))

    table = pq.read_table(loans.with_suffix(".parquet"))
    assert set(table.schema.types) == {pa.string()}
    assert table.column("amount").to_pylist() == ["10.50", None, "7.25"]


def test_the_same_file_gives_the_same_bytes_whenever_and_wherever(
    loans: Path, tmp_path: Path
) -> None:
    early, late = FakeClock(), FakeClock()
    late.sleep(86_400)

    first = convert_file(loans, tmp_path / "one", clock=early)
    second = convert_file(loans, tmp_path / "two", clock=late)

    assert first.outputs[0].read_bytes() == second.outputs[0].read_bytes()
    assert first.manifest.converted_at != second.manifest.converted_at


def test_file_and_manifest_say_where_the_rows_come_from(loans: Path) -> None:
    done = convert_file(loans, options=conversion_options({"column_names": "safe"}))

    metadata = pq.read_metadata(done.outputs[0]).metadata
    manifest = Manifest.read(done.manifest_path)
    assert manifest == done.manifest
    assert metadata[b"kmflow.source_name"] == b"loans.csv"
    assert metadata[b"kmflow.source_sha256"].decode() == manifest.source_sha256
    converter = f"delimited:{DelimitedConverter.version}"
    assert metadata[b"kmflow.converter"].decode() == converter
    assert json.loads(metadata[b"kmflow.options"])["column_names"] == "safe"
    assert (manifest.source_path, manifest.outputs[0].receipt["rows_read"]) == ("loans.csv", 3)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_compression_is_the_one_in_the_file(loans: Path, compression: str) -> None:
    done = convert_file(loans, options=conversion_options({"compression": compression}))

    column = pq.read_metadata(done.outputs[0]).row_group(0).column(0)
    assert column.compression == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())


def test_row_groups_are_as_large_as_asked_for(loans: Path) -> None:
    done = convert_file(loans, options=conversion_options({"row_group_rows": 2}))

    groups = pq.read_metadata(done.outputs[0])
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [2, 1]


CSV = """"id","name","amount","opened"
1,"Ann",10.50,2026-01-02
2,"",,2026-02-03
3,,7.25,2026-03-04
"""
JSON_LINES = """{"id": 1, "name": "Ann", "amount": 10.50, "opened": "2026-01-02"}
{"id": 2, "name": "", "amount": null, "opened": "2026-02-03"}
{"id": 3, "name": null, "amount": 7.25, "opened": "2026-03-04"}
"""


@pytest.mark.parametrize(
    ("file_format", "text"),
    [("csv", CSV), ("txt", CSV.replace(",", "\t")), ("jsonl", JSON_LINES)],
    ids=["csv", "txt", "jsonl"],
)
def test_text_formats_tell_null_from_empty_text(loans: Path, file_format: str, text: str) -> None:
    done = convert_file(
        loans, loans.parent / "out", conversion_options({"format_type": file_format})
    )

    assert done.outputs[0].name == f"loans.{file_format}"
    assert done.outputs[0].read_bytes().decode() == text


def test_no_number_is_rounded_on_its_way_to_json(tmp_path: Path) -> None:
    source = tmp_path / "n.csv"
    source.write_text("n,d\n9007199254740993,0.10000000000000000001\n1,1234567890123456.5\n")

    done = convert_file(source, tmp_path / "n.jsonl")

    assert done.outputs[0].read_text().splitlines() == [
        '{"n": 9007199254740993, "d": 0.10000000000000000001}',
        '{"n": 1, "d": 1234567890123456.50000000000000000000}',
    ]


def test_each_sheet_gets_a_file_in_a_folder_with_a_manifest(workbook: Path) -> None:
    done = convert_file(workbook)

    folder = workbook.parent / "book_parquet"
    assert names_in(folder) == {
        *("book_Loans_2026.parquet", "book_People.parquet", "_manifest.json"),
    }
    assert pq.read_table(folder / "book_People.parquet").to_pylist() == [{"name": "Ann"}]
    assert (done.rows, done.missed) == (3, ())
    assert "sheet_skipped" in {one.code for one in done.manifest.warnings}


@pytest.mark.parametrize(
    "wanted", [{"sheet": ["2"]}, {"sheet": "People"}, {"tables": "peo*,nobody?"}], ids=str
)
def test_sheets_are_chosen_by_number_name_or_pattern(
    workbook: Path, wanted: dict[str, object]
) -> None:
    if "tables" in wanted:
        with pytest.raises(InvalidOptions, match="nothing is named nobody"):
            convert_file(workbook, options=conversion_options(wanted))
        wanted = {"tables": "peo*"}

    done = convert_file(workbook, options=conversion_options(wanted))

    assert done.outputs == (workbook.parent / "book.parquet",)
    assert done.manifest.left_out == ("Loans 2026",)
    assert done.missed == ()


NOTES = """---
title: Risk
tags: [loans, limits]
---

# Risk

Two words.

| Grade | Limit |
| ----- | ----- |
| A | 500 |
| B | 250 |
"""


def test_a_document_becomes_its_text_and_tables(tmp_path: Path) -> None:
    source = tmp_path / "notes.md"
    source.write_text(NOTES)

    done = convert_file(source)

    folder = tmp_path / "notes_parquet"
    assert done.outputs == tuple(
        folder / name
        for name in ("notes_text.txt", "documents.parquet", "blocks.parquet", "table_1.parquet")
    )
    assert (
        done.outputs[0].read_text().endswith("Risk\n\nTwo words.\n\n" + NOTES[NOTES.index("|") :])
    )
    assert pq.read_table(done.outputs[2]).to_pylist()[2] == {
        "seq": 3,
        "kind": "paragraph",
        "level": None,
        "style": None,
        "text": "Two words.",
        "heading": "Risk",
        "page": None,
        "location": "line 8",
        "flags": None,
        "table": None,
    }
    assert pq.read_table(done.outputs[2]).column("table").to_pylist()[3:] == ["table_1"]
    assert pq.read_table(done.outputs[3]).to_pylist() == [
        {"Grade": "A", "Limit": 500},
        {"Grade": "B", "Limit": 250},
    ]
    [about] = pq.read_table(done.outputs[1]).to_pylist()
    assert (about["title"], about["keywords"], about["words"]) == ("Risk", "loans, limits", 14)
    assert json.loads(about["front_matter"]) == {"title": "Risk", "tags": ["loans", "limits"]}


@pytest.mark.parametrize(("name", "left_out"), [("out.txt", ()), ("out.parquet", ("documents",))])
def test_a_document_in_a_named_file_is_its_text_alone(
    tmp_path: Path, name: str, left_out: tuple[str, ...]
) -> None:
    source = tmp_path / "notes.md"
    source.write_text("# Risk\n\nTwo words.\n")

    done = convert_file(source, tmp_path / name)

    assert done.outputs == (tmp_path / name,)
    assert done.manifest.left_out == left_out
    assert done.missed == ()
    assert verify_output(done.outputs[0]).is_equal


def test_a_text_is_never_written_over_itself(tmp_path: Path) -> None:
    source = tmp_path / "plain.txt"
    source.write_text("as it was\n\n\n")
    as_text = conversion_options({"format_type": "txt"})

    done = convert_file(source, options=as_text)
    with pytest.raises(UnsafePath, match="is the source itself"):
        convert_file(source, source, conversion_options({"force": True}))

    assert [path.name for path in done.outputs] == ["plain.txt.txt"]
    assert source.read_text() == "as it was\n\n\n"


def test_surplus_fields_get_a_column_only_where_there_are_some(tmp_path: Path) -> None:
    source = tmp_path / "ragged.csv"
    source.write_text("a,b\n1,2\n3,4,five\n")

    convert_file(source)

    table = pq.read_table(tmp_path / "ragged.parquet")
    assert table.column("_rescued_data").to_pylist() == [None, '["five"]']


def test_a_header_alone_is_a_table_that_is_said_to_lack_rows(tmp_path: Path) -> None:
    source = tmp_path / "empty.csv"
    source.write_text("a,b\n")

    done = convert_file(source)

    assert pq.read_table(tmp_path / "empty.parquet").num_rows == 0
    assert done.missed == ("empty.csv: there is a header and no row",)


def test_rejected_rows_are_told(loans: Path) -> None:
    done = convert_file(loans, registry=only(BentConverter(rejects=1)))

    assert done.missed == ("loans.parquet: 1 rows were rejected",)


def test_a_dry_run_tells_all_and_writes_nothing(workbook: Path) -> None:
    planned = convert_file(workbook, dry_run=True)
    assert names_in(workbook.parent) == {"book.xlsx"}

    done = convert_file(workbook)
    assert planned.outputs == done.outputs
    assert [one.rows for one in planned.manifest.outputs] == [2, 1]


@pytest.mark.parametrize(
    ("name", "content", "error", "code"),
    [
        ("empty.csv", b"", CorruptInput, 1),
        ("unknown.bin", bytes(range(256)), UnsupportedFormatError, 2),
        ("broken.xlsx", b"PK\x03\x04" + bytes(100), CorruptInput, 1),
    ],
)
def test_what_cannot_be_converted_says_so(
    tmp_path: Path, name: str, content: bytes, error: type[CorruptInput], code: int
) -> None:
    source = tmp_path / name
    source.write_bytes(content)

    with pytest.raises(error) as caught:
        convert_file(source)

    assert caught.value.exit_code == code
    assert names_in(tmp_path) == {name}


def test_a_named_file_says_the_format_and_must_not_contradict_it(loans: Path) -> None:
    done = convert_file(loans, loans.parent / "out.jsonl")
    assert done.outputs[0].read_text().startswith("{")

    with pytest.raises(InvalidOptions, match="not named as parquet"):
        convert_file(
            loans, loans.parent / "out.csv", conversion_options({"format_type": "parquet"})
        )
    with pytest.raises(InvalidOptions, match="no file of that kind is written"):
        convert_file(loans, loans.parent / "out.json")
    assert not (loans.parent / "out.json").exists()


def test_several_tables_do_not_fit_in_a_file(workbook: Path) -> None:
    with pytest.raises(UnsafePath, match="2 tables do not fit"):
        convert_file(workbook, workbook.parent / "all.parquet")


def test_a_folder_where_a_file_belongs_is_refused(loans: Path) -> None:
    (loans.parent / "loans.parquet").mkdir()

    with pytest.raises(UnsafePath, match="is a folder, and a file is needed"):
        convert_file(loans, options=conversion_options({"force": True}))


def test_a_link_is_not_written_through(loans: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    loans.with_suffix(".parquet").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafePath, match="is a link"):
        convert_file(loans, options=conversion_options({"force": True}))

    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    ("given", "received"),
    [
        ({"encoding": "cp1252"}, {"encoding": "cp1252"}),
        ({"header_row": 3}, {"header": "3"}),
        ({"no_header": True}, {"header": "none"}),
        ({"on_bad_row": "quarantine"}, {"bad_lines": "reject"}),
        ({"encoding": "", "no_header": False}, None),
    ],
    ids=str,
)
def test_an_option_reaches_the_converter_by_the_name_it_has_there(
    loans: Path, given: dict[str, object], received: dict[str, object] | None
) -> None:
    bent = BentConverter()

    convert_file(loans, options=conversion_options(given), registry=only(bent))

    assert bent.given == received


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delimiter": ";"}, "--delimiter means nothing to the bent converter"),
        ({"header_row": 2, "no_header": True}, "--no-header excludes another option"),
        ({"encoding": "klingon"}, "there is no encoding klingon"),
    ],
    ids=str,
)
def test_an_option_that_the_converter_cannot_take_is_wrong_usage(
    loans: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidOptions, match=message):
        convert_file(loans, options=conversion_options(given), registry=only(BentConverter()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"compresion": "zstd"}, "did you mean compression"),
        ({"compression": "brotli"}, "takes one of snappy, gzip, zstd"),
        ({"row_group_rows": 0}, "a number from 1"),
        ({"row_group_rows": "many"}, "a whole number"),
        ({"force": 1}, "True or False"),
        ({"tables": [1]}, "takes words"),
    ],
    ids=str,
)
def test_a_bad_option_says_what_it_takes(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        conversion_options(given)

    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_option_given_as_its_default_is_one_not_given() -> None:
    defaults = {option.name: option.default for option in OPTIONS}

    assert conversion_options(defaults) == conversion_options({})


def test_what_a_survey_says_of_a_column_is_in_its_field(tmp_path: Path) -> None:
    source = tmp_path / "survey.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"agree": [1.0, 99.0]}),
        str(source),
        column_labels={"agree": "Do you agree?"},
        variable_value_labels={"agree": {1: "yes", 99: "refused"}},
    )

    done = convert_file(source)

    field = pq.read_schema(source.with_suffix(".parquet")).field("agree")
    assert (str(field.type), field.metadata[b"label"]) == ("int64", b"Do you agree?")
    assert json.loads(field.metadata[b"value_labels"]) == {"1": "yes", "99": "refused"}
    assert (field.metadata[b"source_name"], done.missed) == (b"agree", ())
    column = inspect_file(source).tables[0].columns[0]
    assert (column["label"], column["type"]) == ("Do you agree?", "int64")


def test_a_picture_that_breaks_off_lacks_something_of_the_source(tmp_path: Path) -> None:
    source = tmp_path / "scan.png"
    Image.effect_noise((64, 48), 50).save(source)
    whole = convert_file(source, tmp_path / "whole.parquet")
    source.write_bytes(source.read_bytes()[:-40])

    done = convert_file(source, tmp_path / "broken.parquet")

    assert whole.missed == ()
    assert [text.startswith("scan.png: the picture is cut off") for text in done.missed] == [True]
    [row] = pq.read_table(tmp_path / "broken.parquet").to_pylist()
    assert (row["width"], row["truncated"]) == (64, True)


def test_places_of_a_picture_are_left_out_when_asked(tmp_path: Path) -> None:
    source, exif = tmp_path / "photo.jpg", Image.Exif()
    places = exif.get_ifd(0x8825)
    places[1], places[2], places[3], places[4] = "N", (52.0, 30.0, 0.0), "E", (13.0, 24.0, 0.0)
    Image.new("L", (8, 8)).save(source, exif=exif)

    convert_file(source)
    convert_file(source, tmp_path / "bare.parquet", conversion_options({"strip_gps": True}))

    told, bare = (
        pq.read_table(tmp_path / name).column("gps_latitude").to_pylist()[0]
        for name in ("photo.parquet", "bare.parquet")
    )
    assert (float(told), bare) == (52.5, None)
