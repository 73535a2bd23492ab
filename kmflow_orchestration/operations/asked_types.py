"""Types that somebody set for columns: which values fit them, and what tables have then (G18).

A value that does not fit is never lost: its column then has the type that holds all values, as if
nothing had been set, and the misfit is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.interface import SOURCE_ROW
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import StagedTable
from kmflow_orchestration.converters.text_values import observed_type, typed_values
from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    DOUBLE,
    EMPTY,
    STRING,
    TIMESTAMP_NTZ,
    ColumnType,
    Kind,
    join,
    join_all,
    number,
)
from kmflow_orchestration.metadata.dataset_tables import PartColumn
from kmflow_orchestration.operations.undecided_columns import undecided_in

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_SHOWN = 80
_ROWS_AT_ONCE = 16_384
_LEAST: Mapping[str, ColumnType] = {
    "text": STRING,
    "integer": number(1),
    "decimal": number(1, beyond_long=True),
    "double": DOUBLE,
    "date": DATE,
    "timestamp": TIMESTAMP_NTZ,
    "boolean": BOOLEAN,
}
TYPE_WORDS = tuple(_LEAST)


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first value that does not fit, with its row in the source."""

    row: int
    value: str

    @property
    def text(self) -> str:
        return f"row {self.row}: {self.value[:_SHOWN]!r}"


def raised(word: str, found: ColumnType) -> ColumnType | None:
    """The type a column gets of values that need `found`; None when one of them does not fit."""
    least = _LEAST[word]
    if found.kind is Kind.EMPTY or word == "text":
        return least
    wanted = join(found, least)
    if wanted.kind is not least.kind and not (word == "timestamp" and wanted.kind in _MOMENTS):
        return None
    if word == "date" and wanted.kind is not Kind.DATE:
        return None
    if word == "integer" and (wanted.scale or wanted.approximate or wanted.beyond_long):
        return None
    if word == "decimal" and wanted.is_double:
        return None
    return wanted


_MOMENTS = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ})


def column_type(word: str, columns: Sequence[PartColumn]) -> ColumnType:
    """The type of a table's column: the one that was set, if every value of every part fits it."""
    natural = join_all(ColumnType.parse(one.type) for one in columns)
    if not word:
        return natural
    found = EMPTY
    for one in columns:
        own = known_need(one, word)
        if own is None:
            return natural
        found = join(found, own)
    return raised(word, found) or natural


def known_need(column: PartColumn, word: str) -> ColumnType | None:
    """The type that a column's values need for `word`; None where that is not known to fit."""
    own = ColumnType.parse(column.type)
    if raised(word, own) is not None:
        return own
    if column.asked == word and column.fit:
        return ColumnType.parse(column.fit)
    return None


def staged_type(column: PartColumn, wanted: ColumnType) -> ColumnType:
    """The type to stage a part's column in for a table's: texts become something else after."""
    is_text = ColumnType.parse(column.type).kind is Kind.STRING
    return STRING if is_text and wanted.kind is not Kind.EMPTY else wanted


def texts_in(texts: pa.StringArray, wanted: ColumnType) -> Any:
    """Texts that `first_misfit` found to fit, in that type."""
    plain = _plain(texts) if wanted.kind is Kind.NUMBER else texts
    return typed_values(plain, wanted)


def _plain(texts: pa.StringArray) -> pa.StringArray:
    """Numbers without a plus or zeros before them: whoever set the type says they mean nothing."""
    unsigned = pc.replace_substring_regex(texts, r"^\+", "")
    found: pa.StringArray = pc.replace_substring_regex(unsigned, r"^(-?)0+([0-9])", r"\1\2")
    return found


def looked_at(column: PartColumn, word: str, table: StagedTable) -> PartColumn:
    """A column with what its staged texts are for a type that was set."""
    own = ColumnType.parse(column.type)
    if raised(word, own) is not None:
        return replace(column, asked=word, fit=column.type)
    found, misfit = first_misfit(column.name, word, table)
    if misfit is not None:
        return replace(column, asked=word, misfit=misfit.text)
    return replace(column, asked=word, fit=found.text)


def first_misfit(name: str, word: str, table: StagedTable) -> tuple[ColumnType, Misfit | None]:
    """The type a staged column's values need for `word`, and the first that does not fit it."""
    found = EMPTY
    has_two_readings = name in undecided_in(table)
    for batch in numbered_batches(table.path, _ROWS_AT_ONCE):
        values: Any = batch.column(name)
        rows = batch.column(SOURCE_ROW)
        if has_two_readings or not pa.types.is_string(values.type):
            # Typed values of another family, or texts of two readings, of which a type picks none
            # (row H13): the first of them is as good as any.
            at = pc.index(pc.is_valid(values), True).as_py()
            if at >= 0:
                return STRING, Misfit(rows[at].as_py(), str(values[at].as_py()))
            continue
        texts = _plain(values) if _LEAST[word].kind is Kind.NUMBER else values
        wider = _needed(texts, found)
        if raised(word, wider) is None:
            at = _first(texts, found, word)
            return STRING, Misfit(rows[at].as_py(), values[at].as_py())
        found = wider
    return found, None


def _needed(texts: pa.StringArray, known: ColumnType) -> ColumnType:
    return observed_type(texts, known) if len(texts) else known


def _first(texts: pa.StringArray, known: ColumnType, word: str) -> int:
    """The last of the shortest start of a column that does not fit: types only grow."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if raised(word, _needed(texts.slice(0, middle), known)) is None:
            high = middle
        else:
            low = middle
    return high - 1
