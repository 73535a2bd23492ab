"""Unity Catalog's REST API: catalogs, schemas, Volumes, tables (`/api/2.1/unity-catalog/…`).

Lists show what the caller may use; everything else is refused in the platform's words.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kmflow_orchestration.sail.types import delta_json
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.grants import CATALOG, SCHEMA, TABLE, VOLUME, denied
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, Caller, Handler, WireError, endpoint

_ROOT = "/api/2.1/unity-catalog"
_PAGE = 100
_PAGE_MAX = 1000
_KINDS = {"catalogs": CATALOG, "schemas": SCHEMA, "volumes": VOLUME, "tables": TABLE}


def routes(services: Services) -> list[Route]:
    """Endpoints of the four kinds of securables."""
    found = [Route(f"{_ROOT}/tables/{{name}}/exists", endpoint(_exists(services)))]
    for things, kind in _KINDS.items():
        creator = _CREATORS.get(kind)
        found += [
            Route(f"{_ROOT}/{things}", endpoint(_lister(services, things, kind)), methods=["GET"]),
            Route(f"{_ROOT}/{things}/{{name}}", endpoint(_getter(services, kind)), methods=["GET"]),
            Route(
                f"{_ROOT}/{things}/{{name}}", endpoint(_dropper(services, kind)), methods=["DELETE"]
            ),
        ]
        if creator is not None:
            found.append(
                Route(
                    f"{_ROOT}/{things}",
                    endpoint(_created(services, creator)),
                    methods=["POST"],
                )
            )
    return found


def _created(
    services: Services, creator: Callable[[CatalogStore, Call], Securable]
) -> Callable[[Call], Mapping[str, Any]]:
    def create(call: Call) -> Mapping[str, Any]:
        return described(services, creator(services.catalog, call))

    return create


def _lister(services: Services, things: str, kind: str) -> Handler:
    def listed(call: Call) -> Mapping[str, Any]:
        parent = _parent(services.catalog, call, kind)
        found = services.catalog.visible(call.caller, kind, parent)
        page, token = paged(found, call.query)
        # What a list tells of a table has no columns, as reading them takes a look at each table.
        items = [described(services, item, columns=kind != TABLE) for item in page]
        return {things: items} | ({"next_page_token": token} if token else {})

    return listed


def _parent(catalog: CatalogStore, call: Call, kind: str) -> str:
    if kind == CATALOG:
        return ""
    catalog_name = _required(call.query, "catalog_name").lower()
    if kind == SCHEMA:
        catalog.require(call.caller, "USE_CATALOG", CATALOG, catalog_name)
        return catalog_name
    name = f"{catalog_name}.{_required(call.query, 'schema_name')}".lower()
    catalog.require(call.caller, "USE_SCHEMA", SCHEMA, name)
    return name


def _getter(services: Services, kind: str) -> Handler:
    def got(call: Call) -> Mapping[str, Any]:
        return described(services, _seen(services.catalog, call.caller, kind, call.path["name"]))

    return got


def _seen(catalog: CatalogStore, caller: Caller, kind: str, name: str) -> Securable:
    found = catalog.get(caller.workspace_id, kind, name)
    if not catalog.may_see(caller, found):
        # What the caller lacks first, seen from outside: USE CATALOG, USE SCHEMA, then the thing.
        privilege = {CATALOG: "USE_CATALOG", SCHEMA: "USE_SCHEMA", VOLUME: "READ_VOLUME"}
        catalog.require(caller, privilege.get(kind, "SELECT"), kind, name)
        raise denied("BROWSE", kind, found.full_name)
    return found


def _dropper(services: Services, kind: str) -> Handler:
    def dropped(call: Call) -> Response:
        force = call.query.get("force", "false").lower() == "true"
        services.catalog.drop(call.caller, kind, call.path["name"].lower(), cascade=force)
        return JSONResponse({})

    return dropped


def _exists(services: Services) -> Handler:
    def exists(call: Call) -> Mapping[str, Any]:
        name = call.path["name"].lower()
        schema = name.rpartition(".")[0]
        services.catalog.require(call.caller, "USE_SCHEMA", SCHEMA, schema)
        found = services.catalog.find(call.caller.workspace_id, TABLE, name)
        shown = found is not None and services.catalog.may_see(call.caller, found)
        return {"table_exists": shown}

    return exists


def _create_catalog(catalog: CatalogStore, call: Call) -> Securable:
    return catalog.create_catalog(call.caller, _required(call.body, "name"), comment=_comment(call))


def _create_schema(catalog: CatalogStore, call: Call) -> Securable:
    name, around = _required(call.body, "name"), _required(call.body, "catalog_name")
    return catalog.create_schema(call.caller, around, name, comment=_comment(call))


def _create_volume(catalog: CatalogStore, call: Call) -> Securable:
    if str(call.body.get("volume_type") or "MANAGED") != "MANAGED":
        raise WireError(400, "INVALID_PARAMETER_VALUE", "Only MANAGED volumes are supported.")
    place = (_required(call.body, "catalog_name"), _required(call.body, "schema_name"))
    name = _required(call.body, "name")
    return catalog.create_volume(call.caller, place, name, comment=_comment(call))


_CREATORS: Mapping[str, Callable[[CatalogStore, Call], Securable]] = {
    CATALOG: _create_catalog,
    SCHEMA: _create_schema,
    VOLUME: _create_volume,
}


def described(services: Services, item: Securable, *, columns: bool = True) -> Mapping[str, Any]:
    """A securable as the REST API shows it."""
    shown: dict[str, Any] = {
        "name": item.name,
        "full_name": item.full_name,
        "owner": item.owner,
        "created_at": item.created_ms,
        "created_by": item.owner,
        "updated_at": item.created_ms,
    }
    if item.comment:
        shown["comment"] = item.comment
    if item.kind != CATALOG:
        shown["catalog_name"] = item.parts[0]
    if item.kind in {TABLE, VOLUME}:
        shown["schema_name"] = item.parts[1]
    return shown | _OWN[item.kind](services, item, columns)


def _own_catalog(_: Services, item: Securable, __: bool) -> dict[str, Any]:
    return {"catalog_type": "MANAGED_CATALOG", "id": item.id}


def _own_schema(_: Services, item: Securable, __: bool) -> dict[str, Any]:
    return {"catalog_type": "MANAGED_CATALOG", "schema_id": item.id}


def _own_volume(_: Services, item: Securable, __: bool) -> dict[str, Any]:
    return {"volume_id": item.id, "volume_type": "MANAGED", "storage_location": _location(item)}


def _own_table(services: Services, item: Securable, columns: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "table_id": item.id,
        "table_type": "MANAGED",
        "data_source_format": "DELTA",
        "storage_location": _location(item),
        "properties": dict(item.facts.get("properties", {})),
    }
    if item.facts.get("primary_key"):
        key = {"name": item.facts["constraint"], "child_columns": item.facts["primary_key"]}
        shown["table_constraints"] = [{"primary_key_constraint": key}]
    if columns:
        shown["columns"] = table_columns(services, item)
    return shown


_OWN: Mapping[str, Callable[[Services, Securable, bool], dict[str, Any]]] = {
    CATALOG: _own_catalog,
    SCHEMA: _own_schema,
    VOLUME: _own_volume,
    TABLE: _own_table,
}


def table_columns(services: Services, table: Securable) -> list[dict[str, Any]]:
    """Columns of a table as the REST API shows them."""
    shown = []
    for position, column in enumerate(services.engine.columns_of(table)):
        word = column.type.partition("<")[0].partition("(")[0]
        kind = delta_json(column.type)
        of_json = {"name": column.name, "type": kind, "nullable": column.nullable, "metadata": {}}
        shown.append(
            {
                "name": column.name,
                "position": position,
                "nullable": column.nullable,
                "type_name": _TYPE_NAMES.get(word, word),
                "type_text": column.type.lower(),
                "type_json": json.dumps(of_json),
                **({"comment": column.comment} if column.comment else {}),
                **_digits(kind),
            }
        )
    return shown


_TYPE_NAMES = {"BIGINT": "LONG", "SMALLINT": "SHORT", "TINYINT": "BYTE"}


def _digits(kind: object) -> dict[str, int]:
    if not isinstance(kind, str) or not kind.startswith("decimal("):
        return {}
    precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return {"type_precision": int(precision), "type_scale": int(scale)}


def _location(item: Securable) -> str:
    # Where bytes lie on this machine is nobody's business over the wire.
    return f"kmflow://{item.workspace_id}/{item.kind.lower()}s/{item.id}"


def paged(
    items: Sequence[Securable], query: Mapping[str, str]
) -> tuple[Sequence[Securable], str | None]:
    """One page and the token of the next; `max_results` 0 leaves the size to the server."""
    try:
        size = min(int(query.get("max_results", "0")) or _PAGE, _PAGE_MAX)
        start = _offset(query.get("page_token"))
    except (ValueError, binascii.Error) as error:
        raise WireError(400, "INVALID_PARAMETER_VALUE", "Invalid page token or size.") from error
    if size < 0 or start < 0:
        raise WireError(400, "INVALID_PARAMETER_VALUE", "max_results must not be negative.")
    end = start + size
    token = base64.urlsafe_b64encode(f"offset:{end}".encode()).decode()
    return items[start:end], token if end < len(items) else None


def _offset(token: str | None) -> int:
    if not token:
        return 0
    word, _, offset = base64.urlsafe_b64decode(token).decode("utf-8", "replace").partition(":")
    if word != "offset":
        raise ValueError(token)
    return int(offset)


def _required(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise WireError(400, "INVALID_PARAMETER_VALUE", f"Missing required field: {name}")
    return value


def _comment(call: Call) -> str:
    return str(call.body.get("comment") or "")
