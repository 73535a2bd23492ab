"""Catalogs, schemas, Volumes and tables, as Unity Catalog knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.names import TableName, VolumePath
from kmflow_orchestration.tables.definition import Column

_UC = "/api/2.1/unity-catalog"


class UnityCatalog:
    """The catalog, as one group sees it. Raises the leaves `WorkspaceCalls` names."""

    def __init__(self, calls: WorkspaceCalls) -> None:
        self._calls = calls

    def catalog_exists(self, catalog: str) -> bool:
        return self._exists(f"catalogs/{quote(catalog, safe='')}")

    def catalog_owner(self, catalog: str) -> str | None:
        """Who owns a catalog, None when there is none."""
        try:
            answer = self._calls.do("GET", f"{_UC}/catalogs/{quote(catalog, safe='')}")
        except RemoteNotFound:
            return None
        return str(answer.get("owner") or "")

    def catalogs(self) -> frozenset[str]:
        """Names of the catalogs that may be seen."""
        return frozenset(self._owners("catalogs", {}))

    def schemas(self, catalog: str) -> frozenset[str]:
        """Names of a catalog's schemas; none when there is no such catalog."""
        return frozenset(self.schema_owners(catalog))

    def schema_owners(self, catalog: str) -> dict[str, str]:
        """Owners of a catalog's schemas by name; none when there is no such catalog."""
        return self._owners("schemas", {"catalog_name": catalog})

    def volumes(self, catalog: str, schema: str) -> frozenset[str]:
        """Names of a schema's Volumes; none when there is no such schema."""
        return frozenset(self.volume_owners(catalog, schema))

    def volume_owners(self, catalog: str, schema: str) -> dict[str, str]:
        """Owners of a schema's Volumes by name; none when there is no such schema."""
        return self._owners("volumes", {"catalog_name": catalog, "schema_name": schema})

    def volume_exists(self, volume: VolumePath) -> bool:
        return self._exists(f"volumes/{quote(volume.volume_name, safe='')}")

    def create_volume(self, volume: VolumePath, *, comment: str) -> None:
        """Make a managed Volume.

        Raises:
            RemoteConflict: it is there already.
            RemoteNotFound: its catalog or schema is not.
        """
        body = {
            "catalog_name": volume.catalog,
            "schema_name": volume.schema,
            "name": volume.volume,
            "volume_type": "MANAGED",
            "comment": comment,
        }
        self._calls.do("POST", f"{_UC}/volumes", body=body)

    def tables(self, catalog: str, schema: str) -> frozenset[str]:
        """Names of a schema's tables; none when there is no such schema."""
        return frozenset(self.table_owners(catalog, schema))

    def table_owners(self, catalog: str, schema: str) -> dict[str, str]:
        """Owners of a schema's tables by name; none when there is no such schema."""
        query = {"catalog_name": catalog, "schema_name": schema, "omit_columns": "true"}
        return self._owners("tables", query)

    def table_owner(self, table: TableName) -> str | None:
        """Who owns a table, None when there is none."""
        try:
            answer = self._calls.do("GET", f"{_UC}/tables/{quote(table.text, safe='')}")
        except RemoteNotFound:
            return None
        return str(answer.get("owner") or "")

    def table_properties(self, table: TableName) -> dict[str, str] | None:
        """Properties of a table as it was made with, None when there is no table."""
        try:
            answer = self._calls.do("GET", f"{_UC}/tables/{quote(table.text, safe='')}")
        except RemoteNotFound:
            return None
        return {str(name): str(value) for name, value in (answer.get("properties") or {}).items()}

    def table_columns(self, table: TableName) -> tuple[Column, ...] | None:
        """Columns of a table in order, None when there is none."""
        endpoint = f"{_UC}/tables/{quote(table.text, safe='')}"
        try:
            answer = self._calls.do("GET", endpoint)
        except RemoteNotFound:
            return None
        found = sorted(answer.get("columns") or (), key=lambda column: column.get("position", 0))
        return tuple(_column(column) for column in found)

    def _exists(self, path: str) -> bool:
        try:
            self._calls.do("GET", f"{_UC}/{path}")
        except RemoteNotFound:
            return False
        return True

    def _owners(self, kind: str, query: dict[str, str]) -> dict[str, str]:
        try:
            return {
                str(required(item, "name", f"GET {_UC}/{kind}")): str(item.get("owner") or "")
                for item in self._pages(kind, query)
            }
        except RemoteNotFound:
            return {}

    def _pages(self, kind: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        # 0 lets the server choose its page size; without it the answer is not paged at all.
        page_query: dict[str, Any] = {**query, "max_results": 0}
        while True:
            page = self._calls.do("GET", f"{_UC}/{kind}", query=page_query)
            yield from page.get(kind) or ()
            if not page.get("next_page_token"):
                return
            page_query["page_token"] = page["next_page_token"]


def _column(column: dict[str, Any]) -> Column:
    return Column(
        required(column, "name", f"GET {_UC}/tables"),
        str(required(column, "type_text", f"GET {_UC}/tables")).upper(),
        bool(column.get("nullable", True)),
        str(column.get("comment") or ""),
    )
