from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest

from kmflow_orchestration.converters.arrow_files import ArrowTable
from kmflow_orchestration.converters.avro_files import AvroConverter
from kmflow_orchestration.converters.avro_header import MAGIC
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "long", "doc": "number of the loan"},
    {
        "name": "amount",
        "type": [
            "null",
            {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        ],
    },
    {"name": "share", "type": "double"},
    {"name": "name", "type": ["string", "null"]},
    {"name": "due", "type": ["null", {"type": "int", "logicalType": "date"}]},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "ok", "type": "boolean"},
]
LOANS = [
    {
        "id": 9007199254740993,
        "amount": Decimal("1.50"),
        "share": 0.1,
        "name": "Ana",
        "due": date(2026, 11, 20),
        "at": NOON,
        "ok": True,
    },
    {
        "id": 2,
        "amount": None,
        "share": 2.0,
        "name": "",
        "due": None,
        "at": NOON,
        "ok": False,
    },
]


def avro(fields: list[dict[str, Any]], records: list[Any], codec: str = "null") -> bytes:
    buffer = io.BytesIO()
    schema = {"type": "record", "name": "Loan", "fields": fields}
    fastavro.writer(buffer, schema, records, codec=codec)
    return buffer.getvalue()


def opened(source: Source, **options: Any) -> ArrowTable:
    (table,) = AvroConverter().open_tables(source, options)
    return table


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_records_keep_their_types_and_values(source: Writes, codec: str) -> None:
    table = opened(source(avro(FIELDS, LOANS, codec), "loans.avro"))

    assert types(table) == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "share": "DOUBLE",
        "name": "STRING",
        "due": "DATE",
        "at": "TIMESTAMP",
        "ok": "BOOLEAN",
    }
    assert rows(table) == [tuple(record.values()) for record in LOANS]
    assert [row["_source_row"] for row in all_values(table)] == [1, 2]
    assert (table.receipt.converter, table.receipt.rows_written) == ("avro", 2)
    assert rows(table, dict.fromkeys(types(table), STRING))[0][:2] == ("9007199254740993", "1.50")


def test_what_a_schema_says_of_a_field_stays_with_the_column(source: Writes) -> None:
    first, second, *_ = opened(source(avro(FIELDS, LOANS), "loans.avro")).facts

    assert (first.notes, second.notes) == ((("doc", "number of the loan"),), ())


@pytest.mark.parametrize(
    ("kind", "value", "sql", "found"),
    [
        ("int", -7, "BIGINT", -7),
        ("float", 0.5, "DOUBLE", 0.5),
        ("bytes", b"\1\2", "STRING", "AQI="),
        ({"type": "fixed", "name": "F", "size": 2}, b"\1\2", "STRING", "AQI="),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "STRING", "B"),
        ({"type": "array", "items": "int"}, [1, 2], "STRING", "[1,2]"),
        ({"type": "map", "values": "double"}, {"k": 0.1}, "STRING", '{"k":0.1}'),
        (
            {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]},
            {"a": "x"},
            "STRING",
            '{"a":"x"}',
        ),
        (["null", "int", "long"], 2**40, "BIGINT", 2**40),
        (["null", "string", "long"], 7, "STRING", "7"),
        ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3), "STRING", "01:02:03.000000"),
        (
            {"type": "string", "logicalType": "uuid"},
            UUID(int=1),
            "STRING",
            "00000000-0000-0000-0000-000000000001",
        ),
        (
            {"type": "long", "logicalType": "local-timestamp-micros"},
            datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 (it has no zone)
            "TIMESTAMP",
            datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 1},
            Decimal("1" * 45 + ".5"),
            "STRING",
            "1" * 45 + ".5",
        ),
        ("null", None, "STRING", None),
    ],
    ids=str,
)
def test_every_avro_type_has_a_place(
    source: Writes, kind: Any, value: object, sql: str, found: object
) -> None:
    table = opened(source(avro([{"name": "a", "type": kind}], [{"a": value}]), "a.avro"))

    assert (types(table), rows(table)) == ({"a": sql}, [(found,)])


def test_values_that_are_no_records_are_one_column(source: Writes) -> None:
    buffer = io.BytesIO()
    fastavro.writer(buffer, "long", [1, 2])
    table = opened(source(buffer.getvalue(), "a.avro"))

    assert (types(table), rows(table)) == ({"value": "BIGINT"}, [(1,), (2,)])


def test_a_file_without_records_has_its_columns(source: Writes) -> None:
    table = opened(source(avro(FIELDS, []), "a.avro"))

    assert (list(types(table)), rows(table)) == ([one["name"] for one in FIELDS], [])


def test_more_records_than_a_batch_holds_count_on(source: Writes) -> None:
    content = avro([{"name": "a", "type": "long"}], [{"a": at} for at in range(20_000)])
    found = opened(source(content, "a.avro"))

    assert [row["_source_row"] - row["a"] for row in all_values(found)] == [1] * 20_000


@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
def test_a_truncated_file_is_corrupt(source: Writes, share: float) -> None:
    content = avro(FIELDS, LOANS)

    with pytest.raises(CorruptInput):
        opened(source(content[: int(len(content) * share)], "a.avro"))


def varint(value: int) -> bytes:
    left = value << 1
    found = b""
    while left & ~0x7F:
        found += bytes([(left & 0x7F) | 0x80])
        left >>= 7
    return found + bytes([left])


def hand_made(schema: str, block: bytes, codec: str = "null") -> bytes:
    """An Avro file of one block with one record, as no writer would write it."""

    def entries() -> Iterator[bytes]:
        for name, text in (("avro.schema", schema), ("avro.codec", codec)):
            yield varint(len(name)) + name.encode() + varint(len(text)) + text.encode()

    header = MAGIC + varint(2) + b"".join(entries()) + varint(0) + bytes(16)
    return header + varint(1) + varint(len(block)) + block + bytes(16)


LINKED = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}


def test_records_that_hold_each_other_are_json(source: Writes) -> None:
    content = hand_made(json.dumps(LINKED), varint(1) + varint(1) + varint(0))

    assert rows(opened(source(content, "a.avro"))) == [('{"next":{"next":null}}',)]


@pytest.mark.parametrize("depth", [300, 100_000])
def test_records_nested_without_end_are_refused(source: Writes, depth: int) -> None:
    """Compiled code that follows them would end this very process."""
    content = hand_made(json.dumps(LINKED), varint(1) * depth + varint(0))

    with pytest.raises(CorruptInput):
        opened(source(content, "a.avro"))


def test_a_schema_nested_without_end_is_refused(source: Writes) -> None:
    schema = '{"type":"array","items":' * 500 + '"int"' + "}" * 500

    with pytest.raises(CorruptInput) as error:
        opened(source(hand_made(schema, b"\0"), "a.avro"))
    assert error.value.reason == "too_deep"


@pytest.mark.parametrize(
    "content",
    [
        MAGIC,
        MAGIC + b"\xff" * 40,
        hand_made("no json", b"\0"),
        hand_made('{"type":"record","name":"R","fields":[{"name":"a","type":"Nothing"}]}', b"\0"),
        hand_made('{"type":"record","name":"R","fields":[{"type":"int"}]}', b"\0"),
        hand_made('"int"', b"\0", codec="rot13"),
    ],
    ids=["nothing", "endless", "no-json", "unknown-type", "nameless", "codec"],
)
def test_a_damaged_header_is_corrupt(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.avro"))


def test_there_are_no_options(source: Writes) -> None:
    with pytest.raises(ConfigurationError):
        opened(source(avro(FIELDS, LOANS), "a.avro"), columns="a")
