"""Results of statements as Arrow tables, with the types their manifest promises."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kmflow_orchestration.errors import ProtocolError
from kmflow_orchestration.tables.arrow_types import arrow_type, canonical


def result_schema(manifest: Mapping[str, Any]) -> pa.Schema:
    """Arrow schema of a result; nested types arrive as their JSON text.

    Raises:
        ProtocolError: the manifest names no columns.
    """
    columns = (manifest.get("schema") or {}).get("columns")
    if columns is None:
        raise ProtocolError("a statement's manifest names no columns")
    return pa.schema([pa.field(str(column["name"]), _type(column)) for column in columns])


def _type(column: Mapping[str, Any]) -> pa.DataType:
    try:
        return arrow_type(str(column.get("type_text") or column.get("type_name")))
    except ValueError:
        return pa.string()


def empty_table(manifest: Mapping[str, Any]) -> pa.Table:
    """A result without rows."""
    return result_schema(manifest).empty_table()


def arrow_chunk(body: bytes) -> pa.Table:
    """One chunk of an Arrow result, times in UTC.

    Raises:
        ProtocolError: the bytes are no Arrow stream.
    """
    try:
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all()
    except pa.ArrowInvalid as error:
        raise ProtocolError("a statement's result is no Arrow stream") from error
    return canonical(table)


def json_table(manifest: Mapping[str, Any], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    """Rows of texts as the manifest types them.

    Raises:
        ProtocolError: a text that is no value of its column's type.
    """
    schema = result_schema(manifest)
    texts = list(zip(*rows, strict=True)) or [()] * len(schema)
    columns = [_parsed(list(values), field) for values, field in zip(texts, schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def _parsed(texts: list[str | None], field: pa.Field[Any]) -> pa.Array[Any]:
    if pa.types.is_null(field.type):
        return pa.nulls(len(texts))
    try:
        if pa.types.is_binary(field.type):
            decoded = [None if text is None else base64.b64decode(text) for text in texts]
            return pa.array(decoded, field.type)
        return pc.cast(pa.array(texts, pa.string()), field.type)
    except (pa.ArrowInvalid, ValueError) as error:
        raise ProtocolError(f"a result's column {field.name!r} is not {field.type}") from error
