"""Tables with the same columns as one, each row with the sheet it is from (row D27)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    ConvertedTable,
    Receipt,
)
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, join_all

SHEET = "_sheet"


def join_equal(tables: Sequence[ConvertedTable]) -> list[JoinedTable]:
    """The tables in groups with the same headers in the same order, but for case and blanks.

    Each group is named after its first table, and comes where that was.
    """
    groups: dict[tuple[str, ...], list[ConvertedTable]] = {}
    for table in tables:
        headers = tuple(fact.source_name.strip().casefold() for fact in table.facts)
        groups.setdefault(headers, []).append(table)
    return [JoinedTable(group) for group in groups.values()]


class JoinedTable:
    """Tables with the same columns, one below the other; see ConvertedTable."""

    def __init__(self, tables: Sequence[ConvertedTable]) -> None:
        """At least one table. A column has the type that holds its values in all of them."""
        self._tables = tuple(tables)
        first = tables[0]
        self.part = first.part
        columns = tuple(
            ColumnFact(
                facts[0].name,
                facts[0].source_name,
                join_all(fact.type for fact in facts),
                sum(fact.null_count for fact in facts),
            )
            for facts in zip(*(table.facts for table in tables), strict=True)
        )
        taken = {fact.name for fact in columns}
        name, number = SHEET, 2
        while name in taken:
            name, number = f"{SHEET}_{number}", number + 1
        self.facts = (*columns, ColumnFact(name, SHEET, STRING))

    @property
    def receipt(self) -> Receipt:
        receipts = [table.receipt for table in self._tables]
        return Receipt(
            receipts[0].converter,
            receipts[0].converter_version,
            receipts[0].content_hash,
            rows_read=sum(one.rows_read for one in receipts),
            rows_written=sum(one.rows_written for one in receipts),
            rows_rejected=sum(one.rows_rejected for one in receipts),
            rows_skipped=sum(one.rows_skipped for one in receipts),
            rows_padded=sum(one.rows_padded for one in receipts),
            rows_rescued=sum(one.rows_rescued for one in receipts),
            # No sheet's name has a slash.
            options={"sheets": "/".join(table.part for table in self._tables)},
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return tuple(warning for table in self._tables for warning in table.warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable; `_source_row` is the row in its own sheet."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self.facts[:-1]]
        names = [SOURCE_ROW, *(fact.name for fact in self.facts), RESCUED_DATA]
        for table in self._tables:
            own = {fact.name: kind for fact, kind in zip(table.facts, wanted, strict=True)}
            for batch in table.batches(own):
                sheet = pa.repeat(pa.scalar(table.part, pa.string()), batch.num_rows)
                columns = [*batch.columns[:-1], sheet, batch.columns[-1]]
                yield pa.RecordBatch.from_arrays(columns, names=names)
