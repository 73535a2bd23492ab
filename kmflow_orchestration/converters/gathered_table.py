"""A table set aside row by row, read back in the types that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
    RejectedRow,
)
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.text_values import typed_values
from kmflow_orchestration.converters.type_lattice import ColumnType, Kind
from kmflow_orchestration.converters.whole_rows import WholeRows

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute


@dataclass(frozen=True, slots=True)
class SetAside:
    """Where a table's rows lie; `places` are the names its columns have there."""

    spool: RowSpool
    batches: tuple[SpooledBatch | WholeRows, ...]
    places: Mapping[str, str]
    rejects: Iterable[RejectedRow] = ()

    def read(self) -> Iterator[pa.RecordBatch]:
        for one in self.batches:
            yield one.read() if isinstance(one, WholeRows) else self.spool.read(one)


def count_of_empty(values: Any) -> int:
    """How many values are empty texts."""
    return int(pc.sum(pc.equal(values, "")).as_py() or 0)


def without_empty(values: Any) -> pa.StringArray:
    """Empty texts as NULL: what the source tells no type of may be a number left out."""
    found: pa.StringArray = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    return found


def _typed(values: Any, kind: ColumnType) -> Any:
    if kind.kind not in (Kind.STRING, Kind.EMPTY):
        values = without_empty(values)
    return typed_values(values, kind)


class GatheredTable:
    """A table set aside row by row; see ConvertedTable."""

    def __init__(
        self,
        part: str,
        facts: tuple[ColumnFact, ...],
        receipt: Receipt,
        warnings: tuple[ConversionWarning, ...],
        rows: SetAside,
    ) -> None:
        self.part = part
        self.facts = facts
        self.receipt = receipt
        self.warnings = warnings
        self._rows = rows

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """See RejectsRows."""
        yield from self._rows.rejects

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = {fact.name: (types or {}).get(fact.name, fact.type) for fact in self.facts}
        names = [SOURCE_ROW, *wanted, RESCUED_DATA]
        for batch in self._rows.read():
            found: dict[str, Any] = dict(zip(batch.schema.names, batch.columns, strict=True))
            nothing: Any = pa.nulls(batch.num_rows, pa.string())
            columns = [
                _typed(found.get(self._rows.places[name], nothing), kind)
                for name, kind in wanted.items()
            ]
            rescued = found.get(RESCUED_DATA, nothing)
            yield pa.RecordBatch.from_arrays([found[SOURCE_ROW], *columns, rescued], names=names)
