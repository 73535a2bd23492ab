"""Rows that were set aside before it was known which rows of which table they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.interface import SOURCE_ROW
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.type_lattice import ColumnType


@dataclass(frozen=True, slots=True)
class WholeColumn:
    """A column of texts in such rows, and what is known of it; `first` is the first row with one.

    `place` is its name in their batch; `empty` texts are among the `valid` ones.
    """

    key: Hashable
    place: str
    type: ColumnType
    valid: int
    empty: int
    first: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A column of numbers: those from `first` on, or the same in each row."""

    first: int
    is_same: bool


@dataclass(frozen=True, slots=True)
class WholeRows:
    """Where `count` rows lie: `places` are the names of their columns by those they have there.

    `first` is the number of the first row in its table.
    """

    spool: RowSpool
    batch: SpooledBatch
    count: int
    first: int
    places: Mapping[str, str]
    counted: Mapping[str, Counted]

    def read(self) -> pa.RecordBatch:
        """With the numbers of the rows, as all batches that are set aside."""
        batch = self.spool.read(self.batch)
        numbers: Any = pa.array(range(self.first, self.first + self.count), pa.int64())
        arrays: list[Any] = [numbers]
        names = [SOURCE_ROW]
        for name, one in self.counted.items():
            arrays.append(self._texts(one))
            names.append(name)
        arrays += batch.columns
        names += [self.places[name] for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _texts(self, one: Counted) -> Any:
        if one.is_same:
            return pa.repeat(pa.scalar(str(one.first), pa.string()), self.count)
        return pa.array(range(one.first, one.first + self.count), pa.int64()).cast(pa.string())
