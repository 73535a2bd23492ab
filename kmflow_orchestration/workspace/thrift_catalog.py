"""What the catalog questions of the Thrift protocol answer: the columns JDBC and ODBC know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from kmflow_orchestration.sail.tables import Column
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.grants import CATALOG, SCHEMA, TABLE
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_engine import SqlEngine
from kmflow_orchestration.workspace.wire import Caller

# Name, code of java.sql.Types, largest precision.
_TYPES: tuple[tuple[str, int, int | None], ...] = (
    ("BOOLEAN", 16, None),
    ("TINYINT", -6, 3),
    ("SMALLINT", 5, 5),
    ("INT", 4, 10),
    ("BIGINT", -5, 19),
    ("FLOAT", 6, 7),
    ("DOUBLE", 8, 15),
    ("DECIMAL", 3, 38),
    ("STRING", 12, None),
    ("BINARY", -2, None),
    ("DATE", 91, None),
    ("TIMESTAMP", 93, None),
    ("TIMESTAMP_NTZ", 93, None),
    ("ARRAY", 2003, None),
    ("MAP", 2000, None),
    ("STRUCT", 2002, None),
    ("VOID", 0, None),
)
_CODES = {name: code for name, code, _ in _TYPES}
_OTHER = 1111


class CatalogQuestions:
    """Answers one caller; he is shown what he may use. Patterns are those of LIKE."""

    def __init__(self, catalog: CatalogStore, engine: SqlEngine, caller: Caller) -> None:
        self._catalog = catalog
        self._engine = engine
        self._caller = caller

    def catalogs(self) -> pa.Table:
        """Rows of GetCatalogs."""
        return _table(("TABLE_CAT", [one.name for one in self._catalogs(None)]))

    def schemas(self, catalog: str | None, schema: str | None) -> pa.Table:
        """Rows of GetSchemas."""
        found = list(self._schemas(catalog, schema))
        return _table(
            ("TABLE_SCHEM", [one.name for one in found]),
            ("TABLE_CATALOG", [one.parts[0] for one in found]),
        )

    def tables(
        self,
        catalog: str | None,
        schema: str | None,
        table: str | None,
        types: Sequence[str] | None,
    ) -> pa.Table:
        """Rows of GetTables; the only type of table here is TABLE."""
        wanted = not types or "TABLE" in {one.upper() for one in types}
        found = list(self._tables(catalog, schema, table)) if wanted else []
        none = [None] * len(found)
        return _table(
            ("TABLE_CAT", [one.parts[0] for one in found]),
            ("TABLE_SCHEM", [one.parts[1] for one in found]),
            ("TABLE_NAME", [one.name for one in found]),
            ("TABLE_TYPE", ["TABLE" for _ in found]),
            ("REMARKS", [one.comment for one in found]),
            *((name, none) for name in ("TYPE_CAT", "TYPE_SCHEM", "TYPE_NAME")),
            *((name, none) for name in ("SELF_REFERENCING_COL_NAME", "REF_GENERATION")),
        )

    def table_types(self) -> pa.Table:
        """Rows of GetTableTypes."""
        return _table(("TABLE_TYPE", ["TABLE"]))

    def columns(
        self, catalog: str | None, schema: str | None, table: str | None, column: str | None
    ) -> pa.Table:
        """Rows of GetColumns."""
        found = [
            (one, position, definition)
            for one in self._tables(catalog, schema, table)
            for position, definition in enumerate(self._engine.columns_of(one))
            if _like(definition.name, column)
        ]
        return _columns_table(found)

    def type_info(self) -> pa.Table:
        """Rows of GetTypeInfo."""
        count = len(_TYPES)
        none = [None] * count
        return _table(
            ("TYPE_NAME", [name for name, _, _ in _TYPES]),
            ("DATA_TYPE", [code for _, code, _ in _TYPES]),
            ("PRECISION", [precision for _, _, precision in _TYPES]),
            *((name, none) for name in ("LITERAL_PREFIX", "LITERAL_SUFFIX", "CREATE_PARAMS")),
            ("NULLABLE", [1] * count),
            ("CASE_SENSITIVE", [name == "STRING" for name, _, _ in _TYPES]),
            ("SEARCHABLE", [3] * count),
            ("UNSIGNED_ATTRIBUTE", [precision is None for _, _, precision in _TYPES]),
            ("FIXED_PREC_SCALE", [False] * count),
            ("AUTO_INCREMENT", [False] * count),
            ("LOCAL_TYPE_NAME", none),
            ("MINIMUM_SCALE", [0] * count),
            ("MAXIMUM_SCALE", [38 if name == "DECIMAL" else 0 for name, _, _ in _TYPES]),
            *((name, none) for name in ("SQL_DATA_TYPE", "SQL_DATETIME_SUB")),
            ("NUM_PREC_RADIX", [10 if precision else None for _, _, precision in _TYPES]),
        )

    def _catalogs(self, pattern: str | None) -> Iterator[Securable]:
        found = self._catalog.visible(self._caller, CATALOG)
        return (one for one in found if _like(one.name, pattern))

    def _schemas(self, catalog: str | None, schema: str | None) -> Iterator[Securable]:
        for around in self._catalogs(catalog):
            for one in self._catalog.visible(self._caller, SCHEMA, around.full_name):
                if _like(one.name, schema):
                    yield one

    def _tables(
        self, catalog: str | None, schema: str | None, table: str | None
    ) -> Iterator[Securable]:
        for around in self._schemas(catalog, schema):
            for one in self._catalog.visible(self._caller, TABLE, around.full_name):
                if _like(one.name, table):
                    yield one


def _columns_table(found: Sequence[tuple[Securable, int, Column]]) -> pa.Table:
    none = [None] * len(found)
    definitions = [column for _, _, column in found]
    codes = [_CODES.get(_word(column.type), _OTHER) for column in definitions]
    return _table(
        ("TABLE_CAT", [table.parts[0] for table, _, _ in found]),
        ("TABLE_SCHEM", [table.parts[1] for table, _, _ in found]),
        ("TABLE_NAME", [table.name for table, _, _ in found]),
        ("COLUMN_NAME", [column.name for column in definitions]),
        ("DATA_TYPE", codes),
        ("TYPE_NAME", [column.type.upper() for column in definitions]),
        ("COLUMN_SIZE", none),
        ("BUFFER_LENGTH", none),
        ("DECIMAL_DIGITS", none),
        ("NUM_PREC_RADIX", none),
        ("NULLABLE", [int(column.nullable) for column in definitions]),
        ("REMARKS", [column.comment for column in definitions]),
        ("COLUMN_DEF", none),
        ("SQL_DATA_TYPE", none),
        ("SQL_DATETIME_SUB", none),
        ("CHAR_OCTET_LENGTH", none),
        ("ORDINAL_POSITION", [position for _, position, _ in found]),
        ("IS_NULLABLE", ["YES" if column.nullable else "NO" for column in definitions]),
        *((name, none) for name in ("SCOPE_CATALOG", "SCOPE_SCHEMA", "SCOPE_TABLE")),
        ("SOURCE_DATA_TYPE", none),
        ("IS_AUTO_INCREMENT", ["NO" for _ in found]),
    )


_NUMBERS = frozenset(
    {"DATA_TYPE", "COLUMN_SIZE", "BUFFER_LENGTH", "DECIMAL_DIGITS", "NUM_PREC_RADIX", "NULLABLE"}
    | {"SQL_DATA_TYPE", "SQL_DATETIME_SUB", "CHAR_OCTET_LENGTH", "ORDINAL_POSITION"}
    | {"SOURCE_DATA_TYPE", "PRECISION", "SEARCHABLE", "MINIMUM_SCALE", "MAXIMUM_SCALE"}
)
_FLAGS = frozenset({"CASE_SENSITIVE", "UNSIGNED_ATTRIBUTE", "FIXED_PREC_SCALE", "AUTO_INCREMENT"})


def _table(*columns: tuple[str, Sequence[object]]) -> pa.Table:
    def kind(name: str) -> pa.DataType:
        if name in _NUMBERS:
            return pa.int32()
        return pa.bool_() if name in _FLAGS else pa.string()

    return pa.table({name: pa.array(list(values), kind(name)) for name, values in columns})


def _word(kind: str) -> str:
    return kind.upper().partition("<")[0].partition("(")[0].strip()


def _like(name: str, pattern: str | None) -> bool:
    """LIKE in any case: `%` any text, `_` one character, a back-slash takes either at its word."""
    if pattern is None or pattern in {"", "%", "*"}:
        return True
    parts = re.findall(r"\\.|[^\\]|\\$", pattern.lower(), re.DOTALL)
    return re.fullmatch("".join(map(_pattern_part, parts)), name.lower(), re.DOTALL) is not None


def _pattern_part(part: str) -> str:
    if part in {"%", "*"}:
        return ".*"
    return "." if part == "_" else re.escape(part[-1])
