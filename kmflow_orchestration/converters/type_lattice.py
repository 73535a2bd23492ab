"""One lattice of column types, for every format (design AD9).

    STRING                      anything, as it stood in the source
      |    \\        \\         \\
    number  TIMESTAMP  TIMESTAMP_NTZ  BOOLEAN
    (below)        \\   /
                   DATE
                     |
                   EMPTY        no value seen

Numbers are BIGINT, then DECIMAL, then DOUBLE. They carry how many digits were seen, not the SQL
type alone, so that the join of many files is what one file with all their rows would have got:
joining is associative, commutative and idempotent, and the order of arrival cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

import pyarrow as pa

MAX_DIGITS = 38
# Every decimal number of at most 15 significant digits survives text → double → text.
DOUBLE_DIGITS = 15
_LONG_DIGITS = 18
_UTC = pa.timestamp("us", tz="UTC")


class Kind(StrEnum):
    """Families of types; a mix of two families is STRING, but for dates within timestamps."""

    EMPTY = "EMPTY"
    BOOLEAN = "BOOLEAN"
    NUMBER = "NUMBER"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_NTZ = "TIMESTAMP_NTZ"
    STRING = "STRING"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What all values of a column need; build numbers through `number`, which keeps them valid.

    `integer_digits` and `scale` are the most digits seen before and after the point,
    `significant` the most in one value, `beyond_long` whether an integer passed 64 bits,
    `approximate` whether a value came with an exponent or as a binary floating point number.
    """

    kind: Kind
    integer_digits: int = 0
    scale: int = 0
    significant: int = 0
    beyond_long: bool = False
    approximate: bool = False

    @property
    def is_double(self) -> bool:
        too_long = self.integer_digits + self.scale > MAX_DIGITS
        return self.kind is Kind.NUMBER and (self.approximate or too_long)

    @property
    def sql(self) -> str:
        """The Spark SQL type of a table's column.

        A column without a value is STRING. Decimals take precision 18 or 38, not the narrowest:
        else every file with one digit more would rewrite its table. Timestamps without a zone are
        kept as the same clock time in UTC.
        """
        if self.kind is Kind.NUMBER:
            return self._number_sql()
        if self.kind is Kind.EMPTY:
            return "STRING"
        return "TIMESTAMP" if self.kind is Kind.TIMESTAMP_NTZ else self.kind.value

    def _number_sql(self) -> str:
        if self.is_double:
            return "DOUBLE"
        if self.scale == 0 and not self.beyond_long:
            return "BIGINT"
        precision = self.integer_digits + self.scale
        return f"DECIMAL({_LONG_DIGITS if precision <= _LONG_DIGITS else MAX_DIGITS},{self.scale})"

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of a batch's column; goes with `sql`."""
        return arrow_type(self.sql)

    @property
    def text(self) -> str:
        """Form for keeping, read back by `parse`."""
        if self.kind is not Kind.NUMBER:
            return self.kind.value
        flags = ("L" if self.beyond_long else "") + ("E" if self.approximate else "")
        return f"NUMBER({self.integer_digits},{self.scale},{self.significant}){flags}"

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """The type `text` was made from. Raises ValueError for any other text."""
        name, _, rest = text.partition("(")
        if name != Kind.NUMBER.value:
            return cls(Kind(text))
        digits, _, flags = rest.partition(")")
        integer_digits, scale, significant = (int(part) for part in digits.split(","))
        return cls(Kind.NUMBER, integer_digits, scale, significant, "L" in flags, "E" in flags)


EMPTY = ColumnType(Kind.EMPTY)
BOOLEAN = ColumnType(Kind.BOOLEAN)
DATE = ColumnType(Kind.DATE)
TIMESTAMP = ColumnType(Kind.TIMESTAMP)
TIMESTAMP_NTZ = ColumnType(Kind.TIMESTAMP_NTZ)
STRING = ColumnType(Kind.STRING)
DOUBLE = ColumnType(Kind.NUMBER, approximate=True)


def number(
    integer_digits: int,
    scale: int = 0,
    *,
    significant: int | None = None,
    beyond_long: bool | None = None,
    approximate: bool = False,
) -> ColumnType:
    """A number type, or STRING where neither a decimal nor a double holds every value exactly."""
    most = integer_digits + scale if significant is None else significant
    beyond = integer_digits > _LONG_DIGITS if beyond_long is None else beyond_long
    found = ColumnType(Kind.NUMBER, integer_digits, scale, most, beyond, approximate)
    return STRING if found.is_double and most > DOUBLE_DIGITS else found


def join(left: ColumnType, right: ColumnType) -> ColumnType:
    """The narrowest type that holds what both hold."""
    if left == right or right.kind is Kind.EMPTY:
        return left
    if left.kind is Kind.EMPTY:
        return right
    if left.kind is Kind.NUMBER and right.kind is Kind.NUMBER:
        return number(
            max(left.integer_digits, right.integer_digits),
            max(left.scale, right.scale),
            significant=max(left.significant, right.significant),
            beyond_long=left.beyond_long or right.beyond_long,
            approximate=left.approximate or right.approximate,
        )
    return _join_temporal(left, right)


def _join_temporal(left: ColumnType, right: ColumnType) -> ColumnType:
    kinds = {left.kind, right.kind}
    if kinds == {Kind.DATE, Kind.TIMESTAMP}:
        return TIMESTAMP
    if kinds == {Kind.DATE, Kind.TIMESTAMP_NTZ}:
        return TIMESTAMP_NTZ
    return STRING


def join_all(types: Iterable[ColumnType]) -> ColumnType:
    """Join of any number of types; EMPTY for none."""
    return reduce(join, types, EMPTY)


def arrow_type(sql: str) -> pa.DataType:
    """Arrow type for a column type of ours as SQL names it. Raises KeyError for any other."""
    if sql.startswith("DECIMAL("):
        precision, scale = sql[len("DECIMAL(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _ARROW[sql]


_ARROW: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": _UTC,
}
