"""Tables a statement names: found in its tree, checked against grants, renamed for the engine.

Security rests here: what is not found here is not registered in the engine under any name the
statement could spell, and every path is checked and replaced.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlglot import exp

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.names import TableName, VolumePath, quoted
from kmflow_orchestration.sail.tables import sail_name
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.grants import SCHEMA, TABLE
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_errors import SqlError, from_wire
from kmflow_orchestration.workspace.wire import Caller, WireError

PATH_FORMATS = frozenset({"parquet", "csv", "json", "text"})
_REFUSED_FORMATS = frozenset({"delta", "orc", "avro", "binaryfile", "iceberg", "xml"})
_TABLE_FUNCTIONS = frozenset({"range", "explode", "explode_outer", "posexplode", "inline", "stack"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, and where unqualified names lie."""

    caller: Caller
    catalog: str
    schema: str


@dataclass(slots=True)
class References:
    """Tables and paths of one statement, gathered while it is read."""

    tables: dict[str, Securable] = field(default_factory=dict)
    splices: list[tuple[int, int, str]] = field(default_factory=list)

    def render(self, text: str, start: int = 0, end: int | None = None) -> str:
        """A part of the statement in the engine's names; positions are of the statement."""
        out, at, stop = [], start, len(text) if end is None else end
        for first, last, replacement in sorted(self.splices):
            if first >= start and last < stop:
                out += [text[at:first], replacement]
                at = last + 1
        return "".join([*out, text[at:stop]])


class TableResolver:
    """Resolves the tables of one statement for one caller."""

    def __init__(self, catalog: CatalogStore, scope: Scope) -> None:
        self._catalog = catalog
        self._scope = scope

    def name_of(self, table: exp.Table) -> TableName:
        """Full name of a table reference, in lower case. Raises SqlError."""
        parts = [part.name.lower() for part in _identifiers(table)]
        defaults = [self._scope.catalog.lower(), self._scope.schema.lower()]
        return TableName(*(defaults[: 3 - len(parts)] + parts))

    def target(self, table: exp.Table, references: References, *privileges: str) -> Securable:
        """The table a statement writes, with its name replaced. Raises SqlError."""
        if _path_format(table) is not None:
            raise unsupported("Writing to a path")
        return self._use(table, references, privileges)

    def referred(self, table: exp.Table) -> TableName:
        """The table a foreign key points to; it must be there for the caller. Raises SqlError."""
        name = self.name_of(table)
        self._checked(name, ("SELECT",))
        return name

    def read(self, tree: exp.Expression, references: References, target: exp.Table | None) -> None:
        """Check and rename every table that `tree` reads. Raises SqlError."""
        for table in tree.find_all(exp.Table):
            if table is target or _is_cte(table):
                continue
            self._read_one(table, references)
        self._rename_columns(tree, references)

    def _read_one(self, table: exp.Table, references: References) -> None:
        if not isinstance(table.this, exp.Identifier):
            _check_function(table)
            return
        path_format = _path_format(table)
        if path_format is None:
            self._use(table, references, ("SELECT",))
            return
        place = volume_place(
            self._catalog, self._scope.caller, table.this.name, privilege="READ_VOLUME"
        )
        first, last = _span(table)
        references.splices.append((first, last, f"{path_format}.{quoted(str(place))}"))

    def _use(
        self, table: exp.Table, references: References, privileges: tuple[str, ...]
    ) -> Securable:
        name = self.name_of(table)
        found = self._checked(name, privileges)
        references.tables[found.full_name] = found
        first, last = _span(table)
        references.splices.append((first, last, sail_name(*found.parts)))
        return found

    def _checked(self, name: TableName, privileges: tuple[str, ...]) -> Securable:
        caller = self._scope.caller
        try:
            for privilege in privileges:
                self._catalog.require(caller, privilege, TABLE, name.text)
        except WireError as error:
            if error.status == 404:
                raise table_not_found(name) from error
            raise from_wire(error) from error
        return self._catalog.get(caller.workspace_id, TABLE, name.text)

    def known(self, parts: tuple[str, ...], privileges: tuple[str, ...]) -> Securable:
        """A table by the parts of its name as written. Raises SqlError."""
        written = [part.lower() for part in parts]
        defaults = [self._scope.catalog.lower(), self._scope.schema.lower()]
        return self._checked(TableName(*(defaults[: 3 - len(written)] + written)), privileges)

    def require(self, privilege: str, kind: str, full_name: str) -> None:
        """Check one privilege. Raises SqlError."""
        try:
            self._catalog.require(self._scope.caller, privilege, kind, full_name)
        except WireError as error:
            raise from_wire(error) from error

    def require_create_table(self, name: TableName) -> None:
        """Check that a table may be made. Raises SqlError."""
        self.require("CREATE_TABLE", SCHEMA, f"{name.catalog}.{name.schema}")

    def _rename_columns(self, tree: exp.Expression, references: References) -> None:
        for column in tree.find_all(exp.Column):
            qualifier = [part for part in column.parts[:-1] if isinstance(part, exp.Identifier)]
            if len(qualifier) < 2 or len(qualifier) != len(column.parts) - 1:
                continue
            names = [part.name.lower() for part in qualifier]
            full = ".".join([self._scope.catalog.lower(), *names][-3:])
            if full in references.tables:
                first, last = qualifier[0].meta["start"], qualifier[-1].meta["end"]
                replacement = sail_name(*references.tables[full].parts)
                references.splices.append((first, last, replacement))


def volume_place(catalog: CatalogStore, caller: Caller, path: str, *, privilege: str) -> Path:
    """The host's path of `/Volumes/…`, checked; a last part may hold `*`.

    Raises:
        SqlError: outside a Volume, no such Volume or path, no privilege.
    """
    try:
        volume = VolumePath.parse(path.removeprefix("dbfs:"))
    except UnsafePath as error:
        raise no_permission_on_files() from error
    if not path.removeprefix("dbfs:").startswith("/Volumes/"):
        raise no_permission_on_files()
    names = (volume.catalog.lower(), volume.schema.lower(), volume.volume.lower())
    try:
        catalog.require(caller, privilege, "VOLUME", ".".join(names))
        root = catalog.volume_directory(caller, *names)
    except WireError as error:
        raise from_wire(error) from error
    place = root.joinpath(*volume.parts)
    fixed = place
    while glob.has_magic(fixed.name) and fixed != root:
        fixed = fixed.parent
    # A link inside the Volume must not lead out of it.
    if not fixed.resolve().is_relative_to(root.resolve()):
        raise no_permission_on_files()
    if not fixed.exists():
        raise SqlError("PATH_NOT_FOUND", f"Path does not exist: dbfs:{volume.text}.")
    return place


def no_permission_on_files() -> SqlError:
    """What Databricks says to a path that no Volume covers."""
    return SqlError(
        "INSUFFICIENT_PERMISSIONS",
        "Insufficient privileges:\nUser does not have permission SELECT on any file.",
    )


def table_not_found(name: TableName) -> SqlError:
    """42P01, worded as Databricks does."""
    return SqlError(
        "TABLE_OR_VIEW_NOT_FOUND",
        f"The table or view {name.sql} cannot be found. Verify the spelling and correctness of the"
        " schema and catalog.\nIf you did not qualify the name with a schema, verify the"
        " current_schema() output, or qualify the name with the correct schema and catalog.\n"
        "To tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS.",
    )


def unsupported(what: str) -> SqlError:
    """0A000."""
    return SqlError("UNSUPPORTED_FEATURE", f"{what} is not supported.")


def _identifiers(table: exp.Table) -> list[exp.Identifier]:
    parts = list(table.parts)
    if not 1 <= len(parts) <= 3 or not all(isinstance(part, exp.Identifier) for part in parts):
        raise SqlError(
            "PARSE_SYNTAX_ERROR", f"Syntax error: {table.sql('databricks')} is no table."
        )
    return [part for part in parts if isinstance(part, exp.Identifier)]


def _span(table: exp.Table) -> tuple[int, int]:
    parts = _identifiers(table)
    return parts[0].meta["start"], parts[-1].meta["end"]


def _path_format(table: exp.Table) -> str | None:
    parts = list(table.parts)
    if len(parts) != 2:
        return None
    word, name = str(parts[0].name).lower(), str(parts[1].name)
    looks_like_path = "/" in name or ":" in name
    if word in PATH_FORMATS and looks_like_path:
        return word
    if word in _REFUSED_FORMATS and looks_like_path:
        raise unsupported(f"Reading {word} files by path")
    return None


def _check_function(table: exp.Table) -> None:
    function = table.this
    if not isinstance(function, exp.Func):
        raise SqlError(
            "PARSE_SYNTAX_ERROR", f"Syntax error: {table.sql('databricks')} is no table."
        )
    name = function.name if isinstance(function, exp.Anonymous) else function.sql_name()
    if str(name).lower() not in _TABLE_FUNCTIONS:
        raise SqlError(
            "UNRESOLVABLE_TABLE_VALUED_FUNCTION",
            f"Could not resolve `{str(name).lower()}` to a table-valued function.",
        )


def _is_cte(table: exp.Table) -> bool:
    parts = list(table.parts)
    return len(parts) == 1 and parts[0].name.lower() in set(_ctes_over(table))


def _ctes_over(node: exp.Expression) -> Iterator[str]:
    """Names of the CTEs a node can see: those around it, and in a CTE's body the earlier ones."""
    below: exp.Expression = node
    above = node.parent
    while above is not None:
        if isinstance(above, exp.With):
            for cte in above.expressions:
                if cte is below:
                    break
                yield cte.alias.lower()
        elif (around := above.args.get("with_")) is not None and around is not below:
            yield from (cte.alias.lower() for cte in around.expressions)
        below, above = above, above.parent
