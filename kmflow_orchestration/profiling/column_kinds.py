"""From a type's name, in any of the dialects we meet, to the class that picks the measures (F1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT, NUMBER, TEMPORAL, BOOLEAN, TIME_OF_DAY, OTHER = "A", "N", "D", "B", "T", "X"

_WITH_ARGUMENTS = re.compile(r"([a-z0-9_ ]+?)\s*(?:[(\[](.*)[)\]])?\s*(with(?:out)? time zone)?")

_TEXTS = frozenset(
    [
        "string",
        "varchar",
        "char",
        "character",
        "text",
        "utf8",
        "large_string",
        "large_utf8",
        "string_view",
        "utf8_view",
        "object",
        "str",
        "nvarchar",
        "nchar",
        "clob",
        "bpchar",
    ]
) | {"character varying"}

_NUMBERS = {
    "TINYINT": "tinyint byte int8 i8",
    "SMALLINT": "smallint short int16 i16 uint8 int2",
    "INT": "int integer int32 i32 uint16 int4",
    "BIGINT": "bigint long int64 i64 uint32",
    "FLOAT": "float real float32 float16 halffloat",
    "DOUBLE": "double float64 double_precision",
}
_NUMBER_NAMES = {name: sql for sql, names in _NUMBERS.items() for name in names.split()}
_DECIMALS = frozenset(
    ["decimal", "numeric", "number", "dec", "decimal32", "decimal64", "decimal128", "decimal256"]
)
_DATES = frozenset(["date", "date32", "date64"])
_NAIVE_TIMES = frozenset(["timestamp_ntz", "datetime", "datetime2"])
_TIMESTAMPS = frozenset(
    ["timestamp", "timestamp_ltz", "timestamptz", "datetime64", "datetimeoffset", "timestamp_tz"]
)
_TIMES = frozenset(["time", "time32", "time64"])
_BOOLEANS = frozenset(["boolean", "bool", "bit"])


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """What a column's declared type means to the profile.

    `general_type` is the class letter, `column_type` the normalised Spark name; `precision` and
    `scale` are a decimal's digits, `length` the declared width of a varchar or char in characters.
    """

    general_type: str
    column_type: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None

    @property
    def is_floating(self) -> bool:
        """Whether values may be NaN or infinite."""
        return self.column_type in {"FLOAT", "DOUBLE"}

    @property
    def has_fractions(self) -> bool:
        """Whether values may have a fraction: floats, and decimals with a scale."""
        return self.is_floating or bool(self.scale)


def kind_of(type_name: str) -> ColumnKind:
    """Class of a type named by Spark, SQL, Arrow or pandas; total: unknown names are class X."""
    name = " ".join(type_name.strip().lower().split()).replace("double precision", "double")
    match = _WITH_ARGUMENTS.fullmatch(name)
    if match is None:
        return ColumnKind(OTHER, type_name.strip().upper())
    word, arguments, zone = match.group(1), match.group(2) or "", match.group(3)
    return (
        _text_kind(word, arguments)
        or _number_kind(word, arguments)
        or _other_kind(word, zone or arguments, type_name)
    )


def _text_kind(word: str, arguments: str) -> ColumnKind | None:
    if word not in _TEXTS:
        return None
    if not arguments.isdigit():
        return ColumnKind(TEXT, "STRING")
    sql = "CHAR" if word in {"char", "character", "nchar", "bpchar"} else "VARCHAR"
    return ColumnKind(TEXT, f"{sql}({arguments})", length=int(arguments))


def _number_kind(word: str, arguments: str) -> ColumnKind | None:
    if word in _NUMBER_NAMES:
        return ColumnKind(NUMBER, _NUMBER_NAMES[word])
    if word == "uint64":
        return ColumnKind(NUMBER, "DECIMAL(20,0)", precision=20, scale=0)
    if word not in _DECIMALS:
        return None
    digits = [int(part) for part in arguments.split(",") if part.strip().isdigit()]
    precision, scale = (*digits, *(10, 0)[len(digits) :])[:2]
    return ColumnKind(NUMBER, f"DECIMAL({precision},{scale})", precision=precision, scale=scale)


def _other_kind(word: str, zone: str, type_name: str) -> ColumnKind:
    if word in _DATES:
        return ColumnKind(TEMPORAL, "DATE")
    if word in _NAIVE_TIMES or zone == "without time zone":
        return ColumnKind(TEMPORAL, "TIMESTAMP_NTZ")
    if word in _TIMESTAMPS:
        return ColumnKind(TEMPORAL, "TIMESTAMP")
    if word in _TIMES:
        return ColumnKind(TIME_OF_DAY, "TIME")
    if word in _BOOLEANS:
        return ColumnKind(BOOLEAN, "BOOLEAN")
    return ColumnKind(OTHER, type_name.strip().upper())
