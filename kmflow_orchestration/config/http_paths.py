"""HTTP path of a SQL warehouse or cluster: three shapes, and everything else refused (row C4)."""

from __future__ import annotations

import re

_SHAPES = (
    re.compile(r"/sql/1\.0/warehouses/[0-9a-fA-F]+"),
    re.compile(r"/sql/1\.0/endpoints/[0-9a-fA-F]+"),
    re.compile(r"/sql/protocolv1/o/[0-9]+/[A-Za-z0-9]+(-[A-Za-z0-9]+)*"),
)
_BARE_ID = re.compile(r"[0-9a-fA-F]+")
_WAREHOUSE = re.compile(r"/?sql/1\.0/(?:warehouses|endpoints)/([0-9a-fA-F]+)")
_CLUSTER = re.compile(r"/?sql/protocolv1/o/[0-9]+/([A-Za-z0-9-]+)")
_EXPECTED = (
    "must be /sql/1.0/warehouses/<id>, /sql/1.0/endpoints/<id> or "
    "/sql/protocolv1/o/<org id>/<cluster id>"
)


def http_path(text: str) -> str:
    """The path with its leading slash.

    Raises:
        ValueError: another shape; a bare id is told where it belongs.
    """
    if _BARE_ID.fullmatch(text):
        raise ValueError(f"{_EXPECTED}: did you mean warehouse_id?")
    path = text if text.startswith("/") else f"/{text}"
    if not any(shape.fullmatch(path) for shape in _SHAPES):
        raise ValueError(_EXPECTED)
    return path


def warehouse_of(path: str) -> str:
    """Id of the warehouse a path leads to; '' for a cluster's, or no path at all."""
    found = _WAREHOUSE.fullmatch(path)
    return found.group(1) if found else ""


def cluster_of(path: str) -> str:
    """Id of the cluster a path leads to; '' for a warehouse's, or no path at all."""
    found = _CLUSTER.fullmatch(path)
    return found.group(1) if found else ""
