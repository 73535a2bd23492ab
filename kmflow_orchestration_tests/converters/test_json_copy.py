"""Lines of JSON copied by the engine against our own reader: the same table, or it stands back."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.json_blocks import BLOCK_BYTES, START_BYTES
from kmflow_orchestration.converters.json_copied import CopiedLines
from kmflow_orchestration.converters.json_gathering import JsonOptions
from kmflow_orchestration.converters.json_records import JsonConverter, JsonReading
from kmflow_orchestration.converters.packed_source import PlainCopy
from kmflow_orchestration.converters.proven_copy import WORTHWHILE_BYTES
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import StagingTask, stage_item
from kmflow_orchestration.converters.text_encoding import scan_text
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.copied_tables import NUMBERS, together
from kmflow_orchestration_tests.converters.reading import types


def is_copied_alike(source: Source) -> bool:
    """Whether the engine copied a file of lines; both readers must tell the same of it then."""
    reading = JsonReading(PlainCopy(source.path), scan_text(source.path), JsonOptions(), True)
    copied = reading.copied()
    if copied is None:
        return False
    (own,) = reading.gathered()
    assert copied.facts == own.facts
    assert copied.receipt == own.receipt
    assert copied.warnings == own.warnings
    assert list(copied.rejected_rows()) == list(own.rejected_rows())
    assert together(copied.batches()) == together(own.batches())
    path = source.path.parent.absolute() / "copy.parquet"
    assert copied.copy_to(path) == own.receipt.rows_written
    assert together(numbered_batches(path)) == together(own.batches())
    as_text = dict.fromkeys((fact.name for fact in own.facts), STRING)
    assert together(copied.batches(as_text)) == together(own.batches(as_text))
    return True


CLEAN: dict[str, list[str]] = {
    **NUMBERS,
    "dates": ['"2026-02-28"', '"0001-01-01"', '"9999-12-31"', "null"],
    "moments": ['"2026-11-20 10:00:00"', '"1969-12-31 23:59:59"'],
    "moments of programs": ['"2026-11-20T10:00:00Z"', '"2026-11-20T23:59:59Z"'],
    "moments with milliseconds": ['"2026-11-20T10:00:00.000"', '"2026-11-20T10:00:00.120"'],
    "words": ["true", "false", "null"],
    "texts": [
        '"x"',
        '" y "',
        '""',
        '"null"',
        '"Größe ☃ e\u0301"',
        '"👩‍👩‍👧 🇩🇪"',
        '"a:b, c"',
        '"{}"',
    ],
    "nothing": ["null"],
    "numbers in quotes": ['"7"', '"1.5"', '"true"'],
    "texts with escapes": [r'"say \"x\""', r'"a\nb\\"', r'"\u00e9\ud83d\ude00"', r'"\/"', '"é"'],
    "texts like ends": [r'"\",x"', '"},{"', r'"\\"', '"plain"'],
}
STYLES = {
    "tight": lambda value: f'{{"no":1,"value":{value},"last":"x"}}\n',
    "wide at the start": lambda value: f'{{"value": {value}, "no": 1}}\r\n',
    "at the end": lambda value: f'{{"no":1,"a \'b_%":{value}}}\n',
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", CLEAN)
def test_clean_lines_are_copied_as_our_own_reader_reads_them(
    source: Writes, kind: str, style: str
) -> None:
    text = "".join(map(STYLES[style], CLEAN[kind] * 40))

    assert is_copied_alike(source(text, "k.jsonl"))


DOUBTFUL = {
    "minus zero": ["-0", "1"],
    "minus zero point": ["-0.0", "1.5"],
    "an exponent": ["1e5", "2.5e-3", "1E+5"],
    "39 digits": ["1" * 39],
    "no numbers": ["NaN", "Infinity", "-Infinity"],
    "a day that is not": ['"2026-02-30"', '"2026-02-28"'],
    "years at the edge": ['"0001-01-01 00:00:00"', '"9999-12-31 23:59:59"'],
    "days and moments": ['"2026-02-28"', '"2026-02-28 10:00:00"'],
    "nanoseconds": ['"2026-02-28 10:00:00.123456000"', '"2026-02-28 10:00:00.123456789"'],
    "mixed": ["1", '"x"', "true"],
    "objects": ['{"a":1,"b":2}', '{"a":1}'],
    "arrays": ["[1,2]", '["a","b"]', "[]"],
    "half a character": [r'"x\ud800"', '"y"'],
    "a NUL": [r'"x\u0000y"', '"y"'],
    "a comma at the end": ['"x,"', '"y, "'],
}


@pytest.mark.parametrize("style", ["tight", "at the end"])
@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_the_engine_cannot_prove_comes_from_our_own_reader(
    source: Writes, kind: str, style: str
) -> None:
    is_copied_alike(source("".join(map(STYLES[style], DOUBTFUL[kind] * 20)), "k.jsonl"))


# Where no sample looks: what all other lines have, the odd one, and whether it is still copied.
LATE = {
    "an integer becomes a decimal": ("17", "1.25", True),
    "an integer becomes a long one": ("17", "99999999999999999999", True),
    "an integer becomes minus zero": ("17", "-0", False),
    "an integer becomes an exponent": ("17", "1e5", False),
    "an integer has a zero before it": ("17", "07", False),
    "an integer has a plus": ("17", "+7", False),
    "a decimal ends in its point": ("1.50", "5.", False),
    "a decimal begins with its point": ("1.50", ".50", False),
    "an integer becomes text": ("17", '"17"', False),
    "an integer becomes a word": ("17", "true", False),
    "an integer becomes nothing": ("17", "null", True),
    "an integer becomes an array": ("17", "[17]", False),
    "an integer has a blank": ("17", " 17", False),
    "a decimal loses its zeros": ("1.50", "2.5", True),
    "a decimal gains digits": ("1.50", "2.505", True),
    "a decimal is minus zero": ("1.50", "-0.00", False),
    "a day becomes none": ('"2026-02-28"', '"2026-02-30"', True),
    "a day is far off": ('"2026-02-28"', '"12026-02-28"', True),
    "a day is infinite": ('"2026-02-28"', '"infinity"', True),
    "a moment is infinite": ('"2026-02-28 10:00:00"', '"infinity"', True),
    "a moment is far off": ('"2026-02-28 10:00:00"', '"12026-02-28 10:00:00"', False),
    "a day becomes empty": ('"2026-02-28"', '""', True),
    "a day becomes a moment": ('"2026-02-28"', '"2026-02-28 10:00:00"', False),
    "a day becomes a number": ('"2026-02-28"', "5", False),
    "a day becomes a number in quotes": ('"2026-02-28"', '"5"', True),
    "a moment has a zone": ('"2026-02-28 10:00:00"', '"2026-02-28 10:00:00+02"', True),
    "a moment leaves the years": ('"2026-02-28 10:00:00"', '"9999-12-31 10:00:00"', False),
    "a number or none becomes a decimal": ('null,"more":1', '1.5,"more":1', True),
    "a word becomes another": ("true", "null", True),
    "a word becomes a number": ("true", "1", False),
    "nothing becomes a number": ("null", "17", True),
    "nothing becomes a decimal": ("null", "-1.50", True),
    "nothing becomes text": ("null", r'"x"', True),
    "nothing becomes a word": ("null", "false", True),
    "nothing becomes an array": ("null", "[]", True),
    "a text becomes an array": ('"x"', "[]", False),
    "a text becomes a number": ('"x"', "17", False),
    "a text ends in a comma": ('"x"', '"x,"', True),
    "a text has an escape": ('"x"', r'"\u00e9\n"', True),
    "a text has half a character": ('"x"', r'"\ud800"', False),
}
LATE_LINES = {
    "a key is there twice": '{"no":"x","no":"y","value":VALUE}',
    "a blank at the end": '{"no":"x","value":VALUE} ',
    "a blank between": '{"no":"x", "value":VALUE}',
    "a null record": "null",
    "an empty record": "{}",
    "an array": "[1]",
    "a blank line": "",
    "a lone carriage return": '{"no":"x","value":VALUE}\r',
    "a tab": '{"no":"x",\t"value":VALUE}',
    "two records": '{"no":"x","value":VALUE}{"no":"x","value":VALUE}',
    "half a record": '{"no":"x","value":',
    "no record": "oops",
    "a comma too many": '{"no":"x","value":VALUE,}',
    "other words": '{"no":"x","value":NULL}',
    "single quotes": "{'no':'x','value':VALUE}",
    "a quote within": '{"no":"x","value":"a"b"}',
    "a bad escape": r'{"no":"x","value":"\x"}',
    "a control character": '{"no":"x","value":"a\x02"}',
    "an escaped key": r'{"n\u006f":"x","value":VALUE}',
}

LATE_KEYS = {
    "a key more": '{"no":"x","value":VALUE,"more":1}',
    "a key less": '{"no":"x"}',
    "another key": '{"no":"x","other":VALUE}',
    "another key first": '{"other":VALUE,"no":"x"}',
    "another order": '{"value":VALUE,"no":"x"}',
}


def around(line: str, value: str) -> str:
    """A line that lies across the end of the first sample: no sample has lines that are cut."""
    other = f'{{"no":"x","value":{value}}}\n'
    missing = START_BYTES - len(line) // 2
    count = missing // len(other) - 1
    filler = other.replace("x", "x" * (missing - count * len(other) - len(other) + 1), 1)
    return filler + other * count + line + "\n" + other * 5


@pytest.mark.parametrize("kind", LATE)
def test_a_value_that_no_sample_has_changes_its_column_or_leaves_it_to_our_own_reader(
    source: Writes, kind: str
) -> None:
    early, late, is_copied = LATE[kind]
    found = source(around(f'{{"no":"x","value":{late}}}', early), "k.jsonl")

    assert is_copied_alike(found) is is_copied


def test_a_late_decimal_is_found_among_numbers_and_none(source: Writes) -> None:
    start, end = around('{"no":"x","value":1.5}', "17").rsplit("17", 1)

    assert is_copied_alike(source(f"{start}null{end}", "k.jsonl"))


FAR_BEHIND = {
    "no record": ("oops", False),
    "another form": ('{"no":1,"value":17}', False),
    "another key": ('{"no":"x","other":17}', True),
}


@pytest.mark.parametrize("kind", FAR_BEHIND)
def test_a_column_that_changed_is_looked_at_to_the_end_of_lines_of_another_form(
    source: Writes, kind: str
) -> None:
    line, is_copied = FAR_BEHIND[kind]
    changed = around('{"no":"x","value":1.25}', "17")
    # The engine stops at the value long before it reads the line.
    text = changed + '{"no":"x","value":17}\n' * (5 * BLOCK_BYTES // 22) + line + "\n"

    assert is_copied_alike(source(text, "k.jsonl")) is is_copied


def test_integers_beyond_64_bits_are_told_among_decimals(source: Writes) -> None:
    values = ["12345678901234567890.123", "9999999999999999999", "1.5"]
    text = "".join(f'{{"no":{value}}}\n' for value in values * 3)

    assert is_copied_alike(source(text, "k.jsonl"))


@pytest.mark.parametrize("kind", LATE_LINES)
def test_a_line_of_another_form_leaves_the_file_to_our_own_reader(
    source: Writes, kind: str
) -> None:
    line = LATE_LINES[kind].replace("VALUE", '"x"')

    assert not is_copied_alike(source(around(line, '"x"'), "k.jsonl"))


@pytest.mark.parametrize("kind", LATE_KEYS)
def test_a_line_may_have_keys_of_its_own(source: Writes, kind: str) -> None:
    line = LATE_KEYS[kind].replace("VALUE", '"x"')

    assert is_copied_alike(source(around(line, '"x"'), "k.jsonl"))


RECORDS = {
    "one key": ['{"a":1}', '{"a":2}'],
    "keys come and go": ['{"a":1}', '{"b":"x","a":2}', '{"c":true}', '{"c":null,"b":"y"}'],
    "only NULL": ['{"a":null}', '{"b":null}'],
    "long keys": [f'{{"{"k" * 40}1":1,"{"k" * 40}2":2}}', f'{{"{"k" * 40}2":1}}'],
    "keys that begin alike": ['{"key_of_a":1,"key_of_b":2}', '{"key_of_b":3}', '{"key_of_":4}'],
    "an empty key": ['{"":1,"a":2}', '{"a":3}'],
    "keys beyond ASCII": ['{"größe ☃":1,"ß":"x"}', '{"ẞ":"y","größe ☃":2}'],
    "nested": ['{"a":{"b":[1.50,{}],"c":"x"},"d":1}', '{"d":2,"a":[]}', '{"a":{}}'],
    "nested with blanks": [
        '{"a": {"b": [1, " x "], "c": NaN}, "d": 1}',
        '{"a": [ 1 , 2 ], "d": 2}',
    ],
    "nested with escapes": [r'{"a":["\u00e9","\"x\"","\/"]}', r'{"a":{"\u0061":1}}'],
    "brackets in texts": ['{"a":"}{","b":"[1"}', '{"b":"]","a":"{"}'],
    "long numbers within": [f'{{"a":[{"7" * 5000}]}}', '{"a":[9007199254740993,1.10]}'],
    "texts of any length": [f'{{"a":"{"x" * size}","b":{size}}}' for size in range(20)],
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "dos"])
@pytest.mark.parametrize("kind", RECORDS)
def test_records_of_several_forms_are_copied_as_our_own_reader_reads_them(
    source: Writes, kind: str, line_end: str
) -> None:
    text = "".join(f"{line}{line_end}" for line in RECORDS[kind] * 3)

    assert is_copied_alike(source(text, "k.jsonl"))


BROKEN = {
    "a nested key twice": '{"a":{"b":1,"b":2}}',
    "a comma within": '{"a":[1,]}',
    "two values": '{"a":[1],[2],"b":3}',
    "brackets that differ": '{"a":[1},"b":3}',
    "an end too many": '{"a":[1]],"b":3}',
    "a brace too many": '{"a":1},"b":2}',
    "a value is missing": '{"a":,"b":2}',
    "a key alone": '{"a","b":2}',
    "a key without a value": '{"a":1,"b"}',
    "a comma for a colon": '{"a",1}',
    "levels beyond the limit": f'{{"a":{"[" * 201}{"]" * 201}}}',
    "half a character within": r'{"a":["\ud800"]}',
    "a record in a record's place": '{"a":1}{"a":2}',
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_record_or_told_of_comes_from_our_own_reader(source: Writes, kind: str) -> None:
    lines = ['{"a":[7],"b":3}', BROKEN[kind], '{"a":[8],"b":4}']
    found = source("".join(f"{line}\n" for line in lines), "k.jsonl")

    assert not is_copied_alike(found)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":"x"}\n{"a":2,"b":"y"}',
        '{"a":1,"b":"x"}\r\n{"a":2,"b":"y"}',
        '\ufeff{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
        '{"a":1,"A":"x","a ":3}\n{"a":2,"A":"y","a ":4}\n',
        '{"_source_row":1,"group_id":"x"}\n{"_source_row":2,"group_id":"y"}\n',
        '{"":1," ":"x"}\n{"":2," ":"y"}\n',
        '{"kmflow misfit in column 1":1,"b":"kmflow misfit in column 0"}\n',
        '{"a":1}\n{"a":2}\n',
        '{"a":1,"a":2}\n',
        '{"größe ☃":1,"b":"ß"}\n{"größe ☃":2,"b":"ẞ"}\n',
        '{"a":1,"b":"\ufeff"}\n',
        '{"a":1,"b":"x"}\n\n',
        '{"a": 1,"b": "x"}\n{"a": 2,"b": "y"}\n',
        "",
        "\n",
        '"x"\n',
    ],
    ids=range(16),
)
def test_odd_files_come_out_as_our_own_reader_reads_them(source: Writes, text: str) -> None:
    is_copied_alike(source(text, "k.jsonl"))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
    ["2026-01-31", "2026-01-31T10:00:00", "7", ",", '","', '"', "\\", "null", "}", '{"a":1', "\n"]
)
LEAVES = {
    "numbers": st.integers(-(10**20), 10**20).map(str)
    | st.decimals(-(10**6), 10**6, places=2).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "texts": TEXTS.map(json.dumps) | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    "words": st.sampled_from(["true", "false"]),
    "nested": st.recursive(
        st.none() | st.integers() | TEXTS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    ).map(lambda value: json.dumps([value])),
}
COLUMNS = st.lists(st.sampled_from(sorted(LEAVES)), min_size=2, max_size=4)


@st.composite
def files(draw: Callable[..., Any]) -> str:
    """Lines, some without a key or in another order, now and then with a character out of place."""
    kinds = draw(COLUMNS)
    between, colon = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    keys = [json.dumps(f"{kind} {at}") for at, kind in enumerate(kinds)]
    is_alike = draw(st.booleans())
    columns = [LEAVES[kind] | st.just("null") for kind in kinds]
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        values = [draw(column) for column in columns]
        pairs = [f"{key}{colon}{value}" for key, value in zip(keys, values, strict=True)]
        if not is_alike:
            pairs = draw(st.permutations(pairs))[draw(st.integers(0, 1)) :]
        lines.append(f"{{{between.join(pairs)}}}\n")
    text = "".join(lines)
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        other = draw(st.sampled_from(["", '"', ",", "\\", "}", " ", "0", "-", "e", "\r", "null"]))
        text = text[:at] + other + text[at + 1 :]
    return text


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=files())
def test_any_lines_come_out_as_our_own_reader_reads_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    is_copied_alike(Source(path, path.name))


@pytest.mark.parametrize("name", [b"a'b.jsonl", b"a\nb.jsonl", b"a[b].jsonl", b"a\xff.jsonl"])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
def test_a_file_may_have_any_name(source: Writes, name: bytes) -> None:
    written = source('{"a":1,"b":"x"}\n' * 3, "k.jsonl")
    path = written.path.rename(written.path.parent / os.fsdecode(name))

    assert is_copied_alike(Source(path, path.name)) is (b"[" not in name)


def test_a_folder_named_like_a_home_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("~") / "k.jsonl"
    path.parent.mkdir()
    path.write_text('{"a":1,"b":"x"}\n')

    assert is_copied_alike(Source(path, path.name))


def large(middle: str = "") -> str:
    """A file that is worth it, with something where no sample looks."""
    line = '{"id":9007199254740993,"who":"customer"}\n'
    half = line * (WORTHWHILE_BYTES * 5 // 8 // len(line))
    return half + middle + half


def test_a_large_file_is_staged_by_the_engine_with_the_number_of_each_row(
    source: Writes, tmp_path: Path
) -> None:
    done = stage_item(StagingTask("item", source(large(), "k.jsonl"), tmp_path))

    (staged,) = done.tables
    assert "_source_row" not in pq.read_schema(staged.path).names
    found = pa.Table.from_batches(numbered_batches(staged.path))
    rows = large().count("\n")
    assert found["_source_row"].to_pylist() == list(range(1, rows + 1))
    assert set(found["id"].to_pylist()) == {9007199254740993}
    assert staged.receipt.rows_written == rows


def test_a_large_packed_file_has_the_hash_of_what_lies_there(source: Writes) -> None:
    packed = gzip.compress(large().encode())
    (table,) = JsonConverter().open_tables(source(packed, "k.jsonl.gz"))

    assert isinstance(table, CopiedLines)
    assert table.receipt.content_hash == scan_text(source(packed, "k.jsonl.gz").path).content_hash
    as_text = together(table.batches({"id": STRING}))
    assert as_text is not None
    assert as_text["id"][0].as_py() == "9007199254740993"


def test_a_key_far_in_is_a_column_of_a_large_file(source: Writes) -> None:
    (table,) = JsonConverter().open_tables(source(large('{"id":1,"new":2}\n'), "k.jsonl"))

    assert isinstance(table, CopiedLines)
    assert list(types(table)) == ["id", "who", "new"]


def test_a_blank_line_far_in_leaves_a_large_file_to_our_own_reader(source: Writes) -> None:
    (table,) = JsonConverter().open_tables(source(large("\n"), "k.jsonl"))

    assert isinstance(table, GatheredTable)


def test_a_broken_line_far_in_a_large_file_is_told(source: Writes) -> None:
    found = source(large("oops\n"), "k.jsonl")
    number = large("oops\n").split("\n").index("oops") + 1

    with pytest.raises(CorruptInput, match=f"line {number}, column 1"):
        JsonConverter().open_tables(found)
