"""Tables of sources whose columns show up as they are read: JSON, XML and their like.

A draft takes rows of texts, types each column by every value it gets and sets the rows aside; what
it becomes at the end is a ConvertedTable that needs its source no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.column_names import check_width, column_names
from kmflow_orchestration.converters.draft_columns import DraftColumn, observed
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.gathered_table import (
    GatheredTable,
    SetAside,
    count_of_empty,
)
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.record_cells import (
    MAX_CELL_CHARACTERS,
    Cell,
    Form,
    OwnColumn,
    TextsOf,
    header_of,
)
from kmflow_orchestration.converters.rejected_rows import RejectedRows
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.type_lattice import (
    join,
    number,
)
from kmflow_orchestration.converters.whole_rows import Counted, WholeColumn, WholeRows
from kmflow_orchestration.errors import CorruptInput

MAX_TABLES = 1000
_BATCH_ROWS, _BATCH_CELLS = 8192, 1 << 21
# What rows take in memory before they are set aside: of one table, of all tables of a source.
_BATCH_BYTES, _ALL_BYTES = 16 << 20, 64 << 20
_CELL_BYTES = 64


@dataclass(slots=True, eq=False)
class _Shape:
    """Rows with the same keys, and their places among all rows in memory."""

    keys: tuple[Hashable, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


class TableDrafts:
    """The tables of one source while it is read, in the order they showed up in."""

    def __init__(self, texts_of: TextsOf) -> None:
        self._texts_of = texts_of
        self._spool = RowSpool()
        self._drafts: dict[Hashable, TableDraft] = {}
        self._held_bytes = 0

    def __iter__(self) -> Iterator[tuple[Hashable, TableDraft]]:
        return iter(self._drafts.items())

    def __len__(self) -> int:
        return len(self._drafts)

    def at(self, key: Hashable, part: str) -> TableDraft:
        """The table with this key; a new one takes `part`, or a like name if that is taken.

        Raises:
            CorruptInput: more than MAX_TABLES (`too_large_inside`).
        """
        draft = self._drafts.get(key)
        if draft is None:
            if len(self._drafts) >= MAX_TABLES:
                raise CorruptInput(f"more than {MAX_TABLES} tables", reason=TOO_LARGE)
            draft = self._drafts[key] = TableDraft(
                self._free(part), self._spool, self._grew, self._texts_of
            )
        return draft

    def find(self, key: Hashable) -> TableDraft | None:
        return self._drafts.get(key)

    def remove(self, key: Hashable) -> None:
        del self._drafts[key]

    def _free(self, wanted: str) -> str:
        """Names of parts differ in more than case: each becomes a table."""
        taken = {draft.part.casefold() for draft in self._drafts.values()}
        part, number = wanted, 1
        while part.casefold() in taken:
            number += 1
            part = f"{wanted}_{number}"
        return part

    def _grew(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes
        if self._held_bytes > _ALL_BYTES:
            for draft in self._drafts.values():
                draft.set_aside()


class TableDraft:
    """A table under way: `part` is its name, `skipped` and `rejects` are its owner's to keep."""

    def __init__(
        self, part: str, spool: RowSpool, grew: Callable[[int], None], texts_of: TextsOf
    ) -> None:
        self.part = part
        self.rows = self.skipped = 0
        self.rejects = RejectedRows(spool)
        self.rescued = self.doubles = self.broken_characters = 0
        self._spool = spool
        self._grew = grew
        self._texts_of = texts_of
        self._columns: dict[Hashable, DraftColumn] = {}
        self._numbers: list[int] = []
        self._rescued: dict[int, str] = {}
        self._held_bytes = 0
        self._batches: list[SpooledBatch | WholeRows] = []
        # Whole rows that wait to be put into columns together, by their keys.
        self._shapes: dict[tuple[Hashable, ...], _Shape] = {}
        self._shape = _Shape(())

    @property
    def read(self) -> int:
        """Records read, whatever became of them."""
        return self.rows + self.skipped + len(self.rejects)

    def holds_only(self, *keys: Hashable) -> bool:
        """Whether there is no column but these."""
        return self._columns.keys() <= set(keys)

    def add(self, number: int, cells: Iterable[Cell], rescued: str | None = None) -> None:
        """One row. Of cells with the same key the last one stays, the others are rescued.

        Raises:
            CorruptInput: a cell or the number of columns beyond the limits (`too_large_inside`).
        """
        if self._shapes:
            self.settle()
        at = len(self._numbers)
        doubles: dict[str, list[Any]] = {}
        columns, characters, count = self._columns, 0, 0
        for key, form, text in cells:
            column = columns.get(key) or self._new_column(key)
            values = column.values
            missing = at - len(values)
            if missing > 0:
                values.extend([None] * missing)
            elif missing < 0:
                doubles.setdefault(header_of(key), []).append(values.pop())
            values.append(text)
            count += 1
            if text is not None:
                column.forms |= form
                characters += len(text)
        self._numbers.append(number)
        if doubles:
            self.doubles += 1
            rescued = json.dumps(doubles, ensure_ascii=False)
        if rescued is not None:
            self._rescued[at] = rescued
            self.rescued += 1
            characters += len(rescued)
        self.rows += 1
        self._count_in(characters, count)

    def add_whole(
        self, number: int, keys: tuple[Hashable, ...], values: tuple[Any, ...], size: int
    ) -> bool:
        """One row of values that `texts_of` knows, `size` characters at most; the quick way.

        False, and nothing is added, when a key is there twice or the row is near the limits.

        Raises:
            CorruptInput: more columns than may be (`too_large_inside`).
        """
        shape = self._shape
        if keys != shape.keys:
            found = self._shapes.get(keys)
            if found is None:
                if len(set(keys)) != len(keys):
                    return False
                for key in keys:
                    if key not in self._columns:
                        self._new_column(key)
                found = self._shapes[keys] = _Shape(keys)
            shape = self._shape = found
        if size > MAX_CELL_CHARACTERS:
            return False
        shape.places.append(len(self._numbers))
        shape.rows.append(values)
        self._numbers.append(number)
        self.rows += 1
        self._count_in(size, len(keys))
        return True

    def add_set_aside(
        self,
        spooled: tuple[RowSpool, SpooledBatch],
        count: int,
        columns: Sequence[WholeColumn],
        counted: Mapping[OwnColumn, Counted],
    ) -> None:
        """Rows whose texts lie in a spool already, all of the form UNSAID; `counted` come first.

        Raises:
            CorruptInput: more columns than may be (`too_large_inside`).
        """
        self.set_aside()
        numbers = {}
        for own, one in counted.items():
            column = self._columns.get(own) or self._new_column(own)
            last = one.first if one.is_same else one.first + count - 1
            column.type = join(column.type, number(len(str(last))))
            column.all_forms |= Form.UNSAID
            column.valid += count
            numbers[str(column.position)] = one
        # As if they had come row by row.
        for whole in sorted(columns, key=lambda one: one.first):
            column = self._columns.get(whole.key) or self._new_column(whole.key)
            column.type = join(column.type, whole.type)
            column.all_forms |= Form.UNSAID
            column.valid += whole.valid
            column.empty += whole.empty
        places = {one.place: str(self._columns[one.key].position) for one in columns}
        self._batches.append(WholeRows(*spooled, count, self.rows + 1, places, numbers))
        self.rows += count

    def settle(self) -> None:
        """Put the whole rows into their columns."""
        shapes, self._shapes, self._shape = self._shapes, {}, _Shape(())
        count = len(self._numbers)
        for shape in shapes.values():
            columns = zip(shape.keys, zip(*shape.rows, strict=True), strict=False)
            is_stretch = len(shapes) == 1
            for key, values in columns:
                column = self._columns[key]
                forms, texts = self._texts_of(values)
                column.forms |= forms
                missing = (shape.places[0] if is_stretch else count) - len(column.values)
                column.values.extend([None] * missing)
                if is_stretch:
                    column.values.extend(texts)
                else:
                    for place, text in zip(shape.places, texts, strict=True):
                        column.values[place] = text

    def _count_in(self, characters: int, cells: int) -> None:
        if characters > MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"record {self._numbers[-1]} holds more than {MAX_CELL_CHARACTERS} characters",
                reason=TOO_LARGE,
            )
        size, rows = characters + _CELL_BYTES * cells, len(self._numbers)
        self._held_bytes += size
        is_wide = rows * len(self._columns) > _BATCH_CELLS
        if self._held_bytes > _BATCH_BYTES or rows >= _BATCH_ROWS or is_wide:
            self.set_aside()
        self._grew(size)

    def _new_column(self, key: Hashable) -> DraftColumn:
        check_width(len(self._columns) + 1)
        column = self._columns[key] = DraftColumn(len(self._columns))
        return column

    def set_aside(self) -> None:
        """Put the rows in memory on disk. Raises OSError when it is full."""
        count = len(self._numbers)
        if not count:
            return
        self.settle()
        arrays: list[pa.Array[Any]] = [pa.array(self._numbers, pa.int64())]
        names = [SOURCE_ROW]
        for column in self._columns.values():
            if not column.forms:
                column.values.clear()
                continue
            column.values.extend([None] * (count - len(column.values)))
            values = self._as_array(column.values)
            column.type = observed(values, column)
            column.valid += count - values.null_count
            column.empty += count_of_empty(values)
            column.all_forms |= column.forms
            column.values, column.forms = [], 0
            arrays.append(values)
            names.append(str(column.position))
        if self._rescued:
            arrays.append(self._as_array([self._rescued.get(at) for at in range(count)]))
            names.append(RESCUED_DATA)
        self._batches.append(self._spool.add(pa.RecordBatch.from_arrays(arrays, names=names)))
        self._grew(-self._held_bytes)
        self._numbers, self._rescued, self._held_bytes = [], {}, 0

    def _as_array(self, values: list[Any]) -> pa.StringArray:
        try:
            return pa.array(values, pa.string())
        except UnicodeEncodeError:
            # Half a character of UTF-16, which UTF-8 has no form for: its escape is kept.
            values = [one.decode() if isinstance(one, bytes) else one for one in values]
            whole = [
                value and value.encode("utf-8", "backslashreplace").decode() for value in values
            ]
            self.broken_characters += sum(
                new != old for new, old in zip(whole, values, strict=True)
            )
            return pa.array(whole, pa.string())

    def drop(self, key: Hashable) -> None:
        """Leave a column out of what the table becomes."""
        self.settle()
        self._columns.pop(key, None)

    def skip_rows_without_columns(self) -> None:
        """Where no row has a value nor the table a column, there is nothing to keep of them."""
        if not self._columns and not self.rescued:
            self.skipped, self.rows = self.skipped + self.rows, 0
            self._numbers, self._batches = [], []
            self._shapes, self._shape = {}, _Shape(())

    def finished(self, receipt: Receipt, warnings: Sequence[ConversionWarning]) -> GatheredTable:
        """The table as it is now; nothing may be added after."""
        self.set_aside()
        facts = self._facts()
        found = (*warnings, *self._warnings(facts))
        places = {
            fact.name: str(column.position)
            for fact, column in zip(facts, self._columns.values(), strict=True)
        }
        rows = SetAside(self._spool, tuple(self._batches), places, self.rejects)
        return GatheredTable(self.part, facts, receipt, found, rows)

    def _facts(self) -> tuple[ColumnFact, ...]:
        kept = {key: header_of(key) for key in self._columns if _is_kept(key)}
        headers = {key: header_of(key) for key in self._columns}
        others = [key for key in self._columns if key not in kept]
        names: dict[Hashable, str] = dict(
            zip(others, column_names([headers[key] for key in others]), strict=True)
        )
        return tuple(
            ColumnFact(
                (kept | names)[key], headers[key], column.type, self.rows - column.values_count
            )
            for key, column in self._columns.items()
        )

    def _warnings(self, facts: Sequence[ColumnFact]) -> Iterator[ConversionWarning]:
        for fact, column in zip(facts, self._columns.values(), strict=True):
            forms = [name for form, name in Form.NAMES.items() if form & column.all_forms]
            if len(forms) > 1:
                text = f"{fact.source_name!r} holds {' and '.join(forms)} values: kept as text"
                yield ConversionWarning("mixed_types", text, f"column {fact.name}")
        if self.skipped:
            text = f"{self.skipped} records without any value skipped"
            yield ConversionWarning("blank_rows", text)
        if self.doubles:
            text = (
                f"{self.doubles} rows have a key twice: its last value stays, those before it "
                f"are kept in {RESCUED_DATA}"
            )
            yield ConversionWarning("duplicate_keys", text)
        if self.broken_characters:
            text = f"{self.broken_characters} values hold half a character: kept as its escape"
            yield ConversionWarning("half_characters", text)


def _is_kept(key: Hashable) -> bool:
    return isinstance(key, OwnColumn) and key.name.startswith("_")
