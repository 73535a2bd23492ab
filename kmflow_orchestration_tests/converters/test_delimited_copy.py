"""The fastest reader against our own: the same table, or it stands back."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.delimited import DelimitedConverter, DelimitedTable
from kmflow_orchestration.converters.delimited_copy import rules_for
from kmflow_orchestration.converters.delimited_decision import decide
from kmflow_orchestration.converters.delimited_options import DelimitedOptions
from kmflow_orchestration.converters.delimited_records import Format
from kmflow_orchestration.converters.delimited_rules import Piece, rules_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.proven_copy import WORTHWHILE_BYTES
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import StagingTask, stage_item
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.copied_tables import NUMBERS, together
from kmflow_orchestration_tests.converters.reading import types
from kmflow_orchestration_tests.corpus.delimited_files import generated


def is_copied_alike(source: Source, sampled: int = -1) -> bool:
    """Whether the engine copied a file; both readers must tell the same of it in any case.

    `sampled` is the length of the only sample it may look at, -1 for what it would look at.
    """
    decision, readings = decide(source, DelimitedOptions())
    found = rules_for(readings[0]) if len(readings) == 1 else None
    if found is None:
        return False
    if sampled >= 0:
        begin = found.pieces[0].begin
        found = replace(found, pieces=(Piece(begin, begin + sampled),))
    reading = replace(readings[0], is_careful=False)
    own = DelimitedTable(replace(reading, is_careful=True), decision)
    copied, kept = (DelimitedTable(reading, decision, rules=found) for _ in range(2))
    path = source.path.parent / "copy.parquet"
    written = copied.copy_to(path)
    for table in (copied, kept):
        assert table.facts == own.facts
        assert table.receipt == own.receipt
        assert table.warnings == own.warnings
        assert together(table.batches()) == together(own.batches())
    if written is None:
        return False
    as_text = dict.fromkeys((fact.name for fact in own.facts), STRING)
    assert together(kept.batches(as_text)) == together(own.batches(as_text))
    assert together(numbered_batches(path)) == together(own.batches())
    return True


CLEAN = {
    **NUMBERS,
    "dates": ["2026-02-28", "0001-01-01", "9999-12-31", "1969-12-31"],
    "moments": ["2026-11-20 10:00:00", "1969-12-31 23:59:59", "9998-01-01 00:00:00"],
    "moments of programs": ["2026-11-20T10:00:00Z", "2026-11-20T23:59:59Z"],
    "moments with milliseconds": ["2026-11-20T10:00:00.000", "2026-11-20T10:00:00.120"],
    "moments with odd parts": ["2026-11-20 10:00:00", "2026-11-20 10:00:00.123456"],
    "words for true": ["true", "FALSE", "False"],
    "texts": ["x", " y ", "1,5 and\n\nmore", 'say "x"', "Größe", "x\ry"],
    "nothing": [""],
    "codes": ["00123", "01999", "+49"],
    "numbers and a word": ["1", "2", "n/a"],
    "broken by a carriage return": ["a\r\nb", "c"],
}


def quoted(value: str) -> str:
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if set(value) & set(',"\r\n') else value


def lines(values: list[str], end: str, *, times: int = 40) -> str:
    records = (f"{at},{quoted(value)}" for at, value in enumerate(values * times))
    return end.join(["no,value", *records, ""])


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("kind", CLEAN)
def test_clean_columns_are_copied_as_our_own_reader_reads_them(
    source: Writes, kind: str, end: str
) -> None:
    assert is_copied_alike(source(lines(CLEAN[kind], end)))


def test_a_mark_of_utf8_before_the_first_value_is_kept_with_it(source: Writes) -> None:
    """As in a header and a file with a mark that were put together."""
    found = source("no,value\n\ufeff1,x\n" + "2,y\n" * 20_000)

    assert not is_copied_alike(found)
    (table,) = DelimitedConverter().open_tables(found)
    assert next(iter(table.batches()))["no"].to_pylist()[:2] == ["\ufeff1", "2"]


DOUBTFUL = {
    "minus zero": ["-0", "1"],
    "minus zero point": ["-0.0", "1.5"],
    "an exponent": ["1e5", "2.5e-3"],
    "no digit before the point": [".5", "1.5"],
    "39 digits": ["1" * 39],
    "words for infinity": ["inf", "1.5"],
    "words for no number": ["nan", "1.5"],
    "a point at the end": ["5.", "1.5"],
    "a day that is not": ["2026-02-30", "2026-02-28"],
    "year zero": ["0000-01-01", "2026-02-28"],
    "years at the edge": ["0001-01-01 00:00:00", "9999-12-31 23:59:59"],
    "days and moments": ["2026-02-28", "2026-02-28 10:00:00"],
    "moments without seconds": ["2026-02-28 10:00", "2026-02-28 11:00"],
    "nanoseconds": ["2026-02-28 10:00:00.123456000", "2026-02-28 10:00:00.123456789"],
    "moments of many zones": ["2026-02-28T10:00:00+02:00", "2026-02-28T10:00:00-05:30"],
    "midnight of the day before": ["2026-02-28 24:00:00", "2026-02-28 10:00:00"],
    "written numbers": ["1.234,56", "2,5"],
    "written dates": ["28.02.2026", "31.12.2026"],
    "a stray quote": ['5" pipe', "x"],
    "an empty text among numbers": ['""', "1"],
}


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_the_engine_cannot_prove_comes_from_our_own_reader(source: Writes, kind: str) -> None:
    text = "no,value\n" + "".join(f"{at},{value}\n" for at, value in enumerate(DOUBTFUL[kind] * 40))

    is_copied_alike(source(text))


LATE = {
    "an integer becomes a decimal": ("17", "1.25", True),
    "an integer becomes a long one": ("17", "99999999999999999999", True),
    "an integer becomes text": ("17", "n/a", True),
    "an integer becomes a code": ("17", "007", True),
    "an integer becomes minus zero": ("17", "-0", True),
    "an integer becomes empty text": ("17", '""', True),
    "an integer becomes an exponent": ("17", "1e5", False),
    "a decimal loses its zeros": ("1.50", "2.5", True),
    "a decimal gains digits": ("1.50", "2.505", True),
    "a decimal becomes long": ("1.50", "1234567890123456789.5", True),
    "a decimal ends in its point": ("1.50", "5.", True),
    "a decimal becomes infinite": ("1.50", "inf", True),
    "a decimal begins with its point": ("1.50", ".5", False),
    "a decimal of other length begins with its point": ("1.5", ".25", False),
    "a day becomes a moment": ("2026-02-28", "2026-02-28 10:00:00", False),
    "a day becomes none": ("2026-02-28", "2026-02-30", True),
    "a day is of the year zero": ("2026-02-28", "0000-01-01", False),
    "a day is far off": ("2026-02-28", "12026-02-28", True),
    "a day is infinite": ("2026-02-28", "infinity", True),
    "a moment is infinite": ("2026-02-28 10:00:00", "-infinity", True),
    "a moment is far off": ("2026-02-28 10:00:00", "12026-02-28 10:00:00", False),
    "a day has blanks": ("2026-02-28", " 2026-02-28", True),
    "a day has slashes": ("2026-02-28", "2026/02/28", False),
    "a moment becomes a day": ("2026-02-28 10:00:00", "2026-02-28", False),
    "a moment has a zone": ("2026-02-28 10:00:00", "2026-02-28 10:00:00+02", True),
    "a moment has nanoseconds": ("2026-02-28 10:00:00", "2026-02-28 10:00:00.123456789", True),
    "a moment has zeros": ("2026-02-28 10:00:00", "2026-02-28 10:00:00.500", False),
    "a moment leaves the years": ("2026-02-28 10:00:00", "9999-12-31 10:00:00", False),
    "a moment has another zone": ("2026-02-28T10:00:00Z", "2026-02-28T10:00:00+01:00", False),
    "a word for true becomes another": ("true", "yes", True),
    "a word for true becomes a letter": ("true", "t", True),
    "nothing becomes a number": ("", "17", True),
    "nothing becomes a moment": ("", "2026-02-28 10:00:00", False),
    "nothing becomes a written date": ("", "28.02.2026", False),
    "a text becomes a number": ("x", "17", True),
    "a written date becomes text": ("28.02.2026", "soon", True),
}


@pytest.mark.parametrize("kind", LATE)
def test_a_value_that_no_sample_has_changes_its_column_or_leaves_it_to_our_own_reader(
    source: Writes, kind: str
) -> None:
    early, late, is_copied = LATE[kind]
    start = f"k,{early}\n" * 50
    found = source(f"name,value\n{start}k,{late}\n{start}")

    assert is_copied_alike(found, len(start)) is is_copied


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n\n2,y\n",
        "a,b\n1,x\n,\n2,y\n",
        "a,b\n1,x\na,b\n2,y\n",
        "a,b\nx,x\na,b\nz,y\n",
        "2019,2020\n1,2\n2019,2020\n",
        "a,b\n1,x\n2\n",
        "a,b\n1,x\n2,y,z\n",
        "a,b\n1,x\n2,y,\n",
        "a,b\r\n1,x\n2,y\r\n",
        "a,b\n1,x\n2,y\r",
        "a,b\r1,x\r2,y\r",
        'a,b\n1, "x"\n2,y\n',
        'a,b\n1,"x" \n2,y\n',
        'a,b\n1,"x\n2,y\n',
        "\ufeffa,b\n1,x\n2,y\n",
        "A report,\nof loans,\na,b\n1,x\n2,y\n3,z\n",
        "sep=,\na,b\n1,x\n2,y\n",
        'a,"b\nc"\n1,x\n2,y\n',
        "a,b\n1,x\x00\n2,y\n",
        "a,b\n1,x\n2,y",
        "a;b\n1.234;x\n2.345;y\n",
        "a,a,A\n1,2,3\n4,5,6\n",
        "a,b\nkmflow misfit in column 9,1\nx,2\n",
    ],
    ids=range(23),
)
def test_odd_files_come_out_as_our_own_reader_reads_them(source: Writes, text: str) -> None:
    is_copied_alike(source(text))


def test_files_with_pollutions_come_out_as_our_own_reader_reads_them(tmp_path: Path) -> None:
    copied = 0
    for number in range(2000, 2025):
        file = generated(number)
        path = tmp_path / file.name
        path.write_bytes(file.content)
        copied += is_copied_alike(Source(path, file.name))

    assert copied > 2


FIELDS = st.one_of(
    st.sampled_from(["", "0", "1", "-7", "1.5", "2.50", "2026-01-31", "true", "x", " ", '""']),
    st.sampled_from(["a b", '"q, ""r"""', "00", "1e3", "2026-01-31T10:00:00", '"\n"', "é"]),
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=12))
def test_any_table_comes_out_as_our_own_reader_reads_it(
    source: Writes, records: list[list[str]]
) -> None:
    is_copied_alike(source("a,b\n" + "".join(",".join(record) + "\n" for record in records)))


def large(middle: str = "", *, end: str = "x,1\n") -> str:
    """A file that is worth it, with something where no sample looks."""
    line = "some text,1234\n"
    half = line * (WORTHWHILE_BYTES * 5 // 8 // len(line))
    return "name,value\n" + half + middle + half + end


def test_a_large_file_is_staged_by_the_engine_with_the_number_of_each_row(
    source: Writes, tmp_path: Path
) -> None:
    found = source(large())

    done = stage_item(StagingTask("item", found, tmp_path))

    (staged,) = done.tables
    assert "_source_row" not in pq.read_schema(staged.path).names
    numbers = [row for batch in numbered_batches(staged.path) for row in batch["_source_row"]]
    assert [number.as_py() for number in numbers] == list(range(2, len(numbers) + 2))
    assert len(numbers) == staged.receipt.rows_written == large().count("\n") - 1


def test_a_word_far_in_makes_text_of_a_column_of_numbers(source: Writes) -> None:
    found = source(large("x,n/a\n"))
    (table,) = DelimitedConverter().open_tables(found)

    assert table.copy_to(found.path.parent / "copy.parquet") == large("x,n/a\n").count("\n") - 1

    assert types(table)["value"] == "STRING"


def is_open(path: Path) -> bool:
    """Whether this process has it open."""
    wanted = path.stat()
    for descriptor in (int(one.name) for one in Path("/dev/fd").iterdir()):
        # That of the listing itself is closed by now.
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), wanted):
                return True
    return False


def test_a_large_table_is_set_aside_in_a_file_that_goes_with_it(
    source: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (table,) = DelimitedConverter().open_tables(source(large()))

    assert table.facts
    (kept,) = folder.rglob("*.parquet")
    assert not is_open(kept)
    assert sum(batch.num_rows for batch in table.batches()) == large().count("\n") - 1
    del table
    gc.collect()
    assert list(folder.iterdir()) == []


def test_a_ragged_row_far_in_leaves_the_file_to_our_own_reader(source: Writes) -> None:
    found = source(large("short\n"))
    (table,) = DelimitedConverter().open_tables(found)
    path = found.path.parent / "copy.parquet"

    assert table.copy_to(path) is None

    assert not path.exists()
    assert table.receipt.rows_padded == 1
    assert sum(batch.num_rows for batch in table.batches()) == table.receipt.rows_written


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"a,b\n1,2\n", 2),
        (b"a,b\r\n1,2\r\n", 2),
        (b'a,b\n"x\ny","z ""q"""\n', 2),
        (b"a,b\n1,2", 2),
        (b"\xef\xbb\xbfa,b\n1,2\n", 2),
        (b'a,b\n5" pipe,2\n', None),
        (b'a,b\n "x",2\n', None),
        (b'a,b\n"x,2\n', None),
        (b"a,b\n\n1,2\n", None),
        (b"\na,b\n", None),
        (b"a,b\r\n1,2\n", None),
        (b"a,b\n1,2\r", None),
        (b"a,b\r1,2\r", None),
    ],
    ids=range(13),
)
def test_a_file_keeps_the_rules_or_does_not(
    source: Writes, content: bytes, records: int | None
) -> None:
    found = rules_of(source(content).path, Format())

    assert (found.records if found else None) == records


def test_quotes_are_followed_over_the_ends_of_chunks(source: Writes) -> None:
    text = '"' + "x" * 21 + '","a\nb"\r\n'
    content = "a,b\r\n" + text * (WORTHWHILE_BYTES * 2 // len(text))

    found = rules_of(source(content).path, Format())

    assert found is not None
    assert found.records == content.count("\r\n")
    for piece in found.pieces:
        whole = piece.read(source(content).path).decode()
        assert whole.startswith(('"x', "a,b"))
        assert whole.endswith('"\r\n')


def test_footers_of_a_large_marked_file_stay_outside(source: Writes) -> None:
    content = "\ufeffname,value\n" + "Größe ☃,1\n" * 200_000 + "Source: Größe ☃\n"

    (table,) = DelimitedConverter().open_tables(source(content))

    assert (table.receipt.rows_written, table.receipt.rows_skipped) == (200_000, 1)
    assert [warning.code for warning in table.warnings] == ["footer"]
