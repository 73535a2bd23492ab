"""Carrying out statements about the catalog, and what SHOW and DESCRIBE answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from kmflow_orchestration.names import quoted
from kmflow_orchestration.sail.tables import Column
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.grants import (
    CATALOG,
    METASTORE,
    METASTORE_NAME,
    Grant,
    denied,
    spoken,
)
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_catalog_syntax import CatalogStatement
from kmflow_orchestration.workspace.sql_errors import from_wire
from kmflow_orchestration.workspace.sql_tables import Scope
from kmflow_orchestration.workspace.wire import WireError

NOTHING = pa.table({})


def carry_out(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    """Do it; the rows it answers. Raises SqlError."""
    try:
        return _ACTIONS[statement.verb](statement, catalog, scope)
    except WireError as error:
        raise from_wire(error) from error


def described(columns: Sequence[Column]) -> pa.Table:
    """What DESCRIBE TABLE answers."""
    return _rows(
        {
            "col_name": [column.name for column in columns],
            "data_type": [column.type.lower() for column in columns],
            "comment": [column.comment or None for column in columns],
        }
    )


def described_in_full(table: Securable, columns: Sequence[Column]) -> pa.Table:
    """What DESCRIBE TABLE EXTENDED answers: the columns, then what the catalog knows."""
    catalog, schema, name = table.parts
    facts = table.facts
    details: list[tuple[str, str]] = [
        ("", ""),
        ("# Detailed Table Information", ""),
        ("Catalog", catalog),
        ("Database", schema),
        ("Table", name),
        ("Owner", table.owner),
        ("Type", "MANAGED"),
        ("Provider", "delta"),
    ]
    if table.comment:
        details.append(("Comment", table.comment))
    if facts.get("properties"):
        listed = ",".join(f"{key}={value}" for key, value in sorted(facts["properties"].items()))
        details.append(("Table Properties", f"[{listed}]"))
    constraints = _constraints(name, facts)
    if constraints:
        details += [("", ""), ("# Constraints", ""), *constraints]
    shown = described(columns)
    more = _rows(
        {
            "col_name": [key for key, _ in details],
            "data_type": [value for _, value in details],
            "comment": [None if key else "" for key, _ in details],
        }
    )
    return pa.concat_tables([shown, more])


def _constraints(name: str, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    if facts.get("primary_key"):
        constraint = facts.get("constraint") or f"{name}_pk"
        found.append((constraint, f"PRIMARY KEY ({_quoted_names(facts['primary_key'])})"))
    for key in facts.get("foreign_keys") or ():
        place = ".".join(quoted(part) for part in key["table"])
        own, theirs = _quoted_names(key["columns"]), _quoted_names(key["referred"])
        found.append((key["name"], f"FOREIGN KEY ({own}) REFERENCES {place} ({theirs})"))
    return found


def _quoted_names(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def full_name(statement: CatalogStatement, scope: Scope) -> str:
    """The name in full, unqualified parts taken from the scope."""
    parts = [part.lower() for part in statement.name]
    depth = {"CATALOG": 1, "SCHEMA": 2}.get(statement.kind, 3)
    around = [scope.catalog.lower(), scope.schema.lower()]
    return (
        ".".join([*around[: depth - len(parts)], *parts]) if depth > len(parts) else ".".join(parts)
    )


def used_place(statement: CatalogStatement, scope: Scope) -> tuple[str, str]:
    """Catalog and schema that a USE statement chooses; a new catalog begins at its `default`."""
    name = full_name(statement, scope)
    if statement.kind == CATALOG:
        return name, "default"
    catalog, _, schema = name.partition(".")
    return catalog, schema


def _use(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    name = full_name(statement, scope)
    catalog.require(scope.caller, f"USE_{statement.kind}", statement.kind, name)
    return NOTHING


def _create(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    name = full_name(statement, scope)
    caller = scope.caller
    if statement.quiet and catalog.find(caller.workspace_id, statement.kind, name):
        return NOTHING
    *around, own = name.split(".")
    if statement.kind == "CATALOG":
        catalog.create_catalog(caller, own, comment=statement.comment)
    elif statement.kind == "SCHEMA":
        catalog.create_schema(caller, around[0], own, comment=statement.comment)
    else:
        place = (around[0], around[1])
        catalog.create_volume(caller, place, own, comment=statement.comment)
    return NOTHING


def _drop(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    name = full_name(statement, scope)
    if statement.quiet and not catalog.find(scope.caller.workspace_id, statement.kind, name):
        return NOTHING
    catalog.drop(scope.caller, statement.kind, name, cascade=statement.cascade)
    return NOTHING


def _grant(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    kind, name = _managed(statement, catalog, scope)
    workspace_id = scope.caller.workspace_id
    if statement.verb == "GRANT":
        catalog.grant(workspace_id, statement.privileges, (kind, name), statement.principal)
        return NOTHING
    for privilege in statement.privileges:
        grant = Grant(kind, name, statement.principal, privilege)
        catalog.grants.remove(workspace_id, grant)
    return NOTHING


def _set_tags(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    kind, name = _managed(statement, catalog, scope)
    table = catalog.get(scope.caller.workspace_id, kind, name)
    tags = {**table.facts.get("tags", {}), **dict(statement.tags)}
    catalog.update_table(table, comment=table.comment, facts={**table.facts, "tags": tags})
    return NOTHING


def _set_owner(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    kind, name = _managed(statement, catalog, scope)
    catalog.set_owner(scope.caller.workspace_id, kind, name, statement.principal)
    return NOTHING


def _show_grants(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    kind, name = _place(statement, scope)
    workspace_id = scope.caller.workspace_id
    if kind != METASTORE:
        catalog.get(workspace_id, kind, name)
    mine = not catalog.grants.may_manage(scope.caller, kind, name)
    wanted = scope.caller.principal if mine else statement.principal
    grants = [
        grant
        for grant in catalog.grants.effective(workspace_id, kind, name)
        if wanted in {"", grant.principal}
    ]
    return _rows(
        {
            "Principal": [grant.principal for grant in grants],
            "ActionType": [spoken(grant.privilege) for grant in grants],
            "ObjectType": [grant.kind for grant in grants],
            "ObjectKey": [grant.full_name for grant in grants],
        }
    )


def _show(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> pa.Table:
    parent = _parent(statement, scope)
    if parent:
        kind = "CATALOG" if statement.kind == "SCHEMA" else "SCHEMA"
        catalog.require(scope.caller, f"USE_{kind}", kind, parent)
    shown = [
        child
        for child in catalog.visible(scope.caller, statement.kind, parent)
        if _matches(child.name, statement.pattern)
    ]
    return _rows(_SHOWN[statement.kind](shown))


def _parent(statement: CatalogStatement, scope: Scope) -> str:
    if statement.kind == "CATALOG":
        return ""
    if statement.kind == "SCHEMA":
        return (statement.name or (scope.catalog,))[-1].lower()
    around = [scope.catalog, scope.schema][: 2 - len(statement.name)]
    return ".".join([*around, *statement.name]).lower()


_SHOWN: Mapping[str, Callable[[list[Securable]], dict[str, list[object]]]] = {
    "CATALOG": lambda found: {"catalog": [item.name for item in found]},
    "SCHEMA": lambda found: {"databaseName": [item.name for item in found]},
    "TABLE": lambda found: {
        "database": [item.parts[1] for item in found],
        "tableName": [item.name for item in found],
        "isTemporary": [False for _ in found],
    },
    # There is no way to make a view here yet, so that the list is always empty, and truly so.
    "VIEW": lambda found: {
        "namespace": [item.parts[1] for item in found],
        "viewName": [item.name for item in found],
        "isTemporary": [False for _ in found],
        "isMaterialized": [False for _ in found],
    },
    "VOLUME": lambda found: {
        "database": [item.parts[1] for item in found],
        "volume_name": [item.name for item in found],
    },
}


def _matches(name: str, pattern: str | None) -> bool:
    """`*` stands for any text and `|` for or, as in SHOW … LIKE."""
    if pattern is None:
        return True
    one_of = "|".join(re.escape(part).replace(r"\*", ".*") for part in pattern.lower().split("|"))
    return re.fullmatch(one_of, name) is not None


def _managed(statement: CatalogStatement, catalog: CatalogStore, scope: Scope) -> tuple[str, str]:
    kind, name = _place(statement, scope)
    if kind != METASTORE:
        catalog.get(scope.caller.workspace_id, kind, name)
    if not catalog.grants.may_manage(scope.caller, kind, name):
        raise denied("MANAGE", kind, name)
    return kind, name


def _place(statement: CatalogStatement, scope: Scope) -> tuple[str, str]:
    if statement.kind == METASTORE:
        return METASTORE, METASTORE_NAME
    return statement.kind, full_name(statement, scope)


def _rows(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    kinds = {"isTemporary": pa.bool_(), "isMaterialized": pa.bool_()}
    return pa.table(
        {
            name: pa.array(list(values), kinds.get(name, pa.string()))
            for name, values in columns.items()
        }
    )


_ACTIONS: Mapping[str, Callable[[CatalogStatement, CatalogStore, Scope], pa.Table]] = {
    "CREATE": _create,
    "DROP": _drop,
    "GRANT": _grant,
    "REVOKE": _grant,
    "SHOW GRANTS": _show_grants,
    "SHOW": _show,
    "USE": _use,
    "SET TAGS": _set_tags,
    "SET OWNER": _set_owner,
}
