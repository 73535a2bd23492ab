"""A file becomes a table of its group: with exact types, once, whole or not at all (row D12)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration_tests.operations.table_conversion.conftest import Convert, World

TYPED = (
    "Loan No;amount;rate;taken on;at;open;note\n"
    "1;1234567890123456.78;0.5;2026-01-31;2026-01-31 12:30:00;true;\"a; 'b' \\ ü\"\n"
    "2;-0.01;1.25e3;2025-12-01;2025-12-01 00:00:01;false;\n"
)


def test_rows_and_types_of_the_table_are_those_of_the_source(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    source = tmp_path / "it's typed.csv"
    source.write_text(TYPED, encoding="utf-8")

    done = convert(source)

    assert (done["status"], done["outputs"], done["rows"]) == ("converted", [table], 2)
    found = world.rows(table)
    print(found.schema, found.to_pylist())
    assert 0
