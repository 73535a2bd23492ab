from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from kmflow_orchestration.databricks_client.statement_results import (
    arrow_chunk,
    empty_table,
    json_table,
)
from kmflow_orchestration.errors import ProtocolError


def manifest(**types: str) -> dict[str, object]:
    columns = [{"name": name, "type_text": text} for name, text in types.items()]
    return {"schema": {"columns": columns}}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("DECIMAL(38,10)", "1234567890123456789012345678.0123456789", None),
        ("DECIMAL(5,2)", "1.50", Decimal("1.50")),
        ("DOUBLE", "1.0E20", 1e20),
        ("DOUBLE", "-Infinity", float("-inf")),
        ("BOOLEAN", "true", True),
        ("DATE", "1582-10-04", date(1582, 10, 4)),
        ("TIMESTAMP", "2026-11-20T09:00:00.123Z", datetime(2026, 11, 20, 9, 0, 0, 123000, UTC)),
        ("STRING", "", ""),
        ("BINARY", "AAH/", b"\x00\x01\xff"),
        ("ARRAY<INT>", "[1,2]", "[1,2]"),
        ("VARCHAR(3)", "abc", "abc"),
        ("INT", None, None),
        ("VOID", None, None),
    ],
)
def test_a_text_becomes_a_value_of_its_columns_type(
    kind: str, text: str | None, value: object
) -> None:
    [found] = json_table(manifest(x=kind), [[text]]).column("x").to_pylist()

    assert found == (value if value is not None or text is None else Decimal(text))


def test_a_result_without_rows_has_its_columns() -> None:
    described = manifest(a="DECIMAL(18,2)", b="TIMESTAMP")

    assert json_table(described, []).schema == empty_table(described).schema
    assert empty_table(described).schema.types == [
        pa.decimal128(18, 2),
        pa.timestamp("us", tz="UTC"),
    ]


@pytest.mark.parametrize(("kind", "text"), [("INT", "x"), ("DATE", "never"), ("BINARY", "é")])
def test_a_text_of_another_type_is_a_protocol_error(kind: str, text: str) -> None:
    with pytest.raises(ProtocolError, match="'x'"):
        json_table(manifest(x=kind), [[text]])


def test_a_manifest_without_columns_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        empty_table({})
    with pytest.raises(ProtocolError):
        arrow_chunk(b"no arrow")


def test_times_of_a_chunk_come_in_utc() -> None:
    moments = pa.array([datetime(2026, 7, 1, 12, tzinfo=UTC)], pa.timestamp("ns", tz="Europe/Bern"))
    table = pa.table({"t": moments, "s": pa.array(["x"], pa.large_string())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)

    found = arrow_chunk(sink.getvalue().to_pybytes())

    assert found.schema.types == [pa.timestamp("us", tz="UTC"), pa.string()]
    assert found.to_pylist() == [{"t": datetime(2026, 7, 1, 12, tzinfo=UTC), "s": "x"}]
