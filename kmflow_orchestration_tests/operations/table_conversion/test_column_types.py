"""Types of columns go to tables exactly, or not at all."""

from __future__ import annotations

import pyarrow as pa
import pytest

from kmflow_orchestration.errors import UnsupportedFormatError
from kmflow_orchestration.operations.table_conversion.column_types import delta_type, selected


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.uint64(), "DECIMAL(20,0)"),
        (pa.uint32(), "BIGINT"),
        (pa.decimal128(38, 10), "DECIMAL(38,10)"),
        (pa.timestamp("us"), "TIMESTAMP_NTZ"),
        (pa.timestamp("us", tz="Europe/Berlin"), "TIMESTAMP"),
        (pa.timestamp("ns"), None),
        (pa.timestamp("ns", tz="UTC"), None),
        (pa.time64("us"), None),
        (pa.duration("us"), None),
        (pa.decimal256(50, 2), None),
        (pa.list_(pa.int64()), None),
    ],
)
def test_a_type_is_exact_or_there_is_none(kind: pa.DataType, wanted: str | None) -> None:
    assert delta_type(kind) == wanted


def test_a_column_without_an_exact_type_is_named() -> None:
    schema = pa.schema([("a", pa.int64()), ("b`c", pa.time32("s"))])

    with pytest.raises(UnsupportedFormatError, match="t: column b`c is time32"):
        selected(schema, "t")
    assert selected(schema.remove(1), "t") == "CAST(`a` AS BIGINT) AS `a`"
