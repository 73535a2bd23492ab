"""Errors of SQL statements in Databricks' words: `[CLASS] sentence SQLSTATE: xxxxx`.

Sail's own texts have no classes, except a few; what they mean is told here and nowhere else, and
so is the one text that means a lost race for a Delta commit (design AD2).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from kmflow_orchestration.workspace.wire import WireError

_SQLSTATES: Final = {
    "TABLE_OR_VIEW_NOT_FOUND": "42P01",
    "TABLE_OR_VIEW_ALREADY_EXISTS": "42P07",
    "SCHEMA_NOT_FOUND": "42704",
    "SCHEMA_ALREADY_EXISTS": "42P06",
    "SCHEMA_NOT_EMPTY": "2BP01",
    "CATALOG_NOT_FOUND": "42704",
    "CATALOG_ALREADY_EXISTS": "42710",
    "VOLUME_ALREADY_EXISTS": "42000",
    "UC_VOLUME_NOT_FOUND": "42704",
    "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION": "42703",
    "UNRESOLVED_ROUTINE": "42883",
    "UNRESOLVABLE_TABLE_VALUED_FUNCTION": "42883",
    "AMBIGUOUS_REFERENCE": "42704",
    "COLUMN_ALREADY_EXISTS": "42711",
    "PARSE_SYNTAX_ERROR": "42601",
    "PARSE_EMPTY_STATEMENT": "42617",
    "UNSUPPORTED_FEATURE": "0A000",
    "UNSUPPORTED_DATATYPE": "0A000",
    "UNBOUND_SQL_PARAMETER": "42P02",
    "INVALID_PARAMETER_MARKER_VALUE": "22023",
    "DIVIDE_BY_ZERO": "22012",
    "CAST_INVALID_INPUT": "22018",
    "CAST_OVERFLOW": "22003",
    "NUMERIC_VALUE_OUT_OF_RANGE": "22003",
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": "22003",
    "INSUFFICIENT_PERMISSIONS": "42501",
    "PATH_NOT_FOUND": "42K03",
    "NUM_COLUMNS_MISMATCH": "42826",
    "MISSING_AGGREGATION": "42803",
    "INSERT_COLUMN_ARITY_MISMATCH": "21S01",
    "DELTA_CONCURRENT_APPEND": "2D521",
    "DELTA_REPLACE_WHERE_MISMATCH": "44000",
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED": "23502",
    "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES": "23001",
    "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE": "21506",
    "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES": "42K05",
    "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA": "42703",
    "INLINE_BYTE_LIMIT_EXCEEDED": "54000",
    "PRINCIPAL_NOT_FOUND": "42704",
    "INTERNAL_ERROR": "XX000",
}


class SqlError(Exception):
    """A statement that ends FAILED: error class, sentence, SQLSTATE."""

    def __init__(self, error_class: str, sentence: str) -> None:
        self.error_class = error_class
        self.sqlstate = _SQLSTATES.get(error_class) or _SQLSTATES.get(
            error_class.partition(".")[0], "XX000"
        )
        self.text = f"[{error_class}] {sentence} SQLSTATE: {self.sqlstate}"
        super().__init__(self.text)


def from_wire(error: WireError) -> SqlError:
    """What the catalog refused, as a statement says it."""
    if error.status == 403:
        return SqlError("INSUFFICIENT_PERMISSIONS", f"Insufficient privileges:\n{error.message}")
    known = _FROM_CATALOG.get(error.error_code)
    return SqlError(known or "INTERNAL_ERROR", error.message)


_FROM_CATALOG = {
    "TABLE_DOES_NOT_EXIST": "TABLE_OR_VIEW_NOT_FOUND",
    "SCHEMA_DOES_NOT_EXIST": "SCHEMA_NOT_FOUND",
    "CATALOG_DOES_NOT_EXIST": "CATALOG_NOT_FOUND",
    "VOLUME_DOES_NOT_EXIST": "UC_VOLUME_NOT_FOUND",
    "NOT_FOUND": "UC_VOLUME_NOT_FOUND",
    "TABLE_ALREADY_EXISTS": "TABLE_OR_VIEW_ALREADY_EXISTS",
    "SCHEMA_ALREADY_EXISTS": "SCHEMA_ALREADY_EXISTS",
    "CATALOG_ALREADY_EXISTS": "CATALOG_ALREADY_EXISTS",
    "VOLUME_ALREADY_EXISTS": "VOLUME_ALREADY_EXISTS",
    "INVALID_STATE": "SCHEMA_NOT_EMPTY",
    "INVALID_PARAMETER_VALUE": "UNSUPPORTED_FEATURE",
    "PRINCIPAL_DOES_NOT_EXIST": "PRINCIPAL_NOT_FOUND",
}


def from_sail(text: str) -> SqlError:
    """What Sail said, under the class Databricks would give it."""
    if given := _GIVEN.match(text):
        return SqlError(given[1], given[2].strip())
    for pattern, error_class, sentence in _MEANINGS:
        if found := re.search(pattern, text, re.IGNORECASE):
            return SqlError(error_class, sentence(found))
    return SqlError("INTERNAL_ERROR", text)


_GIVEN = re.compile(r"(?:[\w ]+: )?\[([A-Z][A-Z_.]+)\]\s*(.*)", re.DOTALL)
_Sentence = Callable[[re.Match[str]], str]


def _whole(found: re.Match[str]) -> str:
    return found.string


def _concurrent(_: re.Match[str]) -> str:
    return (
        "ConcurrentAppendException: Files were added to the root of the table by a concurrent"
        " update. Please try the operation again."
    )


def _not_castable(found: re.Match[str]) -> str:
    return (
        f'The value \'{found[1]}\' of the type "STRING" cannot be cast to "{found[2].upper()}"'
        " because it is malformed. Correct the value as per the syntax, or change its target type."
        " Use `try_cast` to tolerate malformed input and return NULL instead."
    )


_MEANINGS: tuple[tuple[str, str, _Sentence], ...] = (
    (
        r"failed to commit transaction|missing commit file|commit conflict|concurrent",
        "DELTA_CONCURRENT_APPEND",
        _concurrent,
    ),
    (
        r"divi\w+ by zero",
        "DIVIDE_BY_ZERO",
        lambda _: (
            "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL"
            " instead."
        ),
    ),
    (r"cannot cast string '(.*)' to value of (\w+) type", "CAST_INVALID_INPUT", _not_castable),
    (r"cannot (?:be )?(?:cast|parse)|error parsing|DateValue \{", "CAST_INVALID_INPUT", _whole),
    (r"can't cast value|overflow", "CAST_OVERFLOW", _whole),
    (r"out of range", "NUMERIC_VALUE_OUT_OF_RANGE", _whole),
    (r"index is out of bounds", "INVALID_ARRAY_INDEX_IN_ELEMENT_AT", _whole),
    (
        r"ObjectName\(\[(.*)\]\) is missing from the schema",
        "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
        lambda found: (
            "A column, variable, or function parameter with name"
            f" {_dotted(found[1])} cannot be resolved."
        ),
    ),
    (
        r"ambiguous attribute: ObjectName\(\[(.*)\]\)",
        "AMBIGUOUS_REFERENCE",
        lambda found: f"Reference {_dotted(found[1])} is ambiguous.",
    ),
    (
        r"unknown (?:table )?function: (\S+)",
        "UNRESOLVED_ROUTINE",
        lambda found: f"Cannot resolve routine `{found[1]}` on search path.",
    ),
    (r"different number of columns", "NUM_COLUMNS_MISMATCH", _whole),
    (
        r"input schema for INSERT has (\d+) fields?, but table schema has (\d+)",
        "INSERT_COLUMN_ARITY_MISMATCH",
        lambda found: (
            f"Cannot write: the query has {found[1]} data columns, the table has {found[2]}."
        ),
    ),
    (
        r"MERGE_CARDINALITY_VIOLATION",
        "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
        lambda _: (
            "Cannot perform Merge as multiple source rows matched and attempted to modify the same"
            " target row in the Delta table in possibly conflicting ways."
        ),
    ),
    (r"column not found|no field named", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", _whole),
    (r"found .* expected|expected one statement", "PARSE_SYNTAX_ERROR", _whole),
    (r"not (?:yet )?(?:supported|implemented)|unsupported", "UNSUPPORTED_FEATURE", _whole),
)


def _dotted(identifiers: str) -> str:
    return ".".join(f"`{name}`" for name in re.findall(r'Identifier\("(.*?)"\)', identifiers))
