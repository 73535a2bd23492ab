"""The boundary around a group's tables (design AD4): checked before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, Namespace, TableName, check_path_part

_PART = r"(?:`((?:[^`]|``)+)`|([A-Za-z_][A-Za-z0-9_-]*))"
_NAME = re.compile(rf"{_PART}\s*\.\s*{_PART}\s*\.\s*{_PART}")
# Ways to name files in a statement: Sail would open any file of the host.
_FILES = re.compile(
    r"""
    \.\s*`[^`]*[/\\][^`]*`                        # parquet.`/a/path`
    | (?:\b(?:FROM|JOIN|INTO|UPDATE|TABLE|USING)|,)\s*
      `?(?:arrow|avro|binaryfile|csv|delta|iceberg|jdbc|json|orc|parquet|socket|text|xml)`?\s*\.\s*`
      [^`]*`(?!\s*\.)                               # text.`..`
    | \bLOCATION\s*''
    | \bOPTIONS\s*\(                                # USING parquet OPTIONS (path '…')
    | \bOVERWRITE\s+(?:LOCAL\s+)?DIRECTORY\b
    | \bLOAD\s+DATA\b
    | \bIDENTIFIER\s*\(                             # a name, or a path, inside a text
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PLACE = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|USING)\s+{_PART}\s*\.\s*{_PART}\s*\.\s*{_PART}",
    re.IGNORECASE,
)
# Texts and comments may say anything; a back-ticked name is kept as it is. A raw text comes
# first: a back-slash does not escape its end.
_QUOTED = re.compile(
    r"""(?P<name>`(?:[^`]|``)*`)|\br(?:'[^']*'|"[^"]*")"""
    r"""|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*\"|(?P<comment>--[^\n]*|/\*.*?\*/)""",
    re.DOTALL | re.IGNORECASE,
)
# What there is, as far as the asker may see it: the workspace filters it by grants.
_CATALOG_VIEWS = "information_schema"


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Which tables belong to a group: those in its five schemas."""

    group_id: GroupId
    namespace: Namespace

    def check(self, table: TableName) -> TableName:
        """The table itself.

        Raises:
            GroupMismatch: it is not this group's.
            UnsafePath: its name cannot be a folder's, which no platform takes either.
        """
        if not self.holds(table):
            raise GroupMismatch(f"table {table} does not belong to group {self.group_id}")
        check_path_part(table.name)
        return table

    def holds(self, table: TableName) -> bool:
        """Whether a table lies in one of the group's schemas."""
        return table.catalog == self.namespace.catalog and table.schema in self.namespace.schemas

    def check_schema(self, schema: str) -> str:
        """The schema itself. Raises GroupMismatch when it is not one of this group's."""
        if schema not in self.namespace.schemas:
            raise GroupMismatch(f"schema {schema} does not belong to group {self.group_id}")
        return schema

    def table(self, schema: str, name: str) -> TableName:
        """A table by schema and name. Raises GroupMismatch."""
        return TableName(self.namespace.catalog, self.check_schema(schema), name)

    def named_in(self, sql: str) -> frozenset[TableName]:
        """This group's tables that a statement names in full.

        Raises:
            GroupMismatch: the statement names files, or a table of another group.
        """
        bare = _QUOTED.sub(_bare, sql)
        if _FILES.search(bare):
            raise GroupMismatch("a statement may name tables, never files")
        for match in _PLACE.finditer(bare):
            self._check_place(TableName(*_parts(match)))
        names = {TableName(*_parts(match)) for match in _NAME.finditer(bare)}
        for table in names:
            # Elsewhere three parts may also be a field of a column; our catalog tells them apart.
            if table.catalog.casefold() == self.namespace.catalog.casefold():
                self._check_place(table)
        return frozenset(table for table in names if self.holds(table))

    def _check_place(self, table: TableName) -> None:
        """Platforms do not heed case in names, so neither does the boundary."""
        schemas = {schema.casefold() for schema in (*self.namespace.schemas, _CATALOG_VIEWS)}
        catalog = self.namespace.catalog.casefold()
        if table.catalog.casefold() != catalog or table.schema.casefold() not in schemas:
            raise GroupMismatch(f"table {table} does not belong to group {self.group_id}")


def _bare(match: re.Match[str]) -> str:
    return " " if match["comment"] else match["name"] or "''"


def _parts(match: re.Match[str]) -> tuple[str, str, str]:
    groups = match.groups()
    catalog, schema, name = (
        (groups[at] or "").replace("``", "`") or groups[at + 1] for at in (0, 2, 4)
    )
    return catalog, schema, name
