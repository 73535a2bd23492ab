"""What tests of copies by the engine share: columns that it may copy, and tables to compare."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

NUMBERS = {
    "integers": [
        "0",
        "-5",
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
        "17",
    ],
    "beyond 64 bits": ["1", "9223372036854775808", "-99999999999999999999999999999999999999"],
    "decimals": ["0.50", "-12.25", "99.99", "-0.01"],
    "decimals of many lengths": ["0.5", "-12", "99.9999", "7.25", "1.0"],
    "decimals below one": ["0.5", "0.25", "-0.125", "0"],
    "decimals without a longest": ["10.5", "3.25", "0.001"],
    "38 digits": ["1234567890123456789012345678.0123456789", "0.0000000001"],
}
"""Columns of numbers, by what is special about them, as CSV and JSON write them alike."""


def together(batches: Iterable[pa.RecordBatch]) -> pa.Table | None:
    """All rows of a table, and its columns by name and type."""
    found = list(batches)
    return pa.Table.from_batches(found).replace_schema_metadata(None) if found else None
