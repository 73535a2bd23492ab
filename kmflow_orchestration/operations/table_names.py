"""How people name a table of a group: `layer.table`, with `base` for the first schema."""

from __future__ import annotations

from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.names import LAYERS, Namespace, TableName

BASE = "base"


def table_of(namespace: Namespace, text: str) -> TableName:
    """The table of a group. Raises InvalidSettings for another form."""
    layer, _, name = text.partition(".")
    if name and layer.lower() in LAYERS:
        return namespace.layer(layer, name)
    if name and layer.lower() == BASE:
        return namespace.base(name)
    raise InvalidSettings(
        f"{text!r} is no table of a layer",
        fields=("table",),
        hint=f"layer.table, where layer is one of {', '.join((BASE, *LAYERS))}",
    )
