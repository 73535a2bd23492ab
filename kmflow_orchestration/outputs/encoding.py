"""A task's value as the bytes of a file, and back: one way for every format (row A13)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from kmflow_orchestration.clock import iso
from kmflow_orchestration.errors import ConfigurationError, OutputNotWritable
from kmflow_orchestration.outputs import (
    delimited_tables,
    delimited_text,
    json_text,
    parquet_rows,
    tables,
)
from kmflow_orchestration.outputs.resolve import FORMATS
from kmflow_orchestration.outputs.shapes import Shape, kind_of, plain

FORMULA_CELLS = "formula_cells"
"""Text cells that a spreadsheet would take for formulas; they are kept as they are."""


@dataclass(frozen=True, slots=True)
class EncodedOutput:
    """Bytes of a file, what its reader needs besides, and counts for people."""

    content: bytes
    shape: Shape
    counts: Mapping[str, int] = field(default_factory=dict)


def encode(value: Any, file_format: str, *, task_key: str, moment: datetime) -> EncodedOutput:
    """A value in a format; `task_key` and `moment` go into the wrapper that JSON needs.

    The same value at the same moment gives the same bytes.

    Raises:
        OutputNotWritable: naming the part of the value that the format does not hold.
        ConfigurationError: no such format.
    """
    value = plain(value)
    kind = kind_of(value)
    if kind == "table":
        return _encode_table(value, _checked(file_format), _metadata(task_key, moment))
    shape = Shape(kind)
    match _checked(file_format):
        case "json":
            is_document = kind == "mapping"
            metadata = _metadata(task_key, moment)
            content, nulled = json_text.dump(value, is_document=is_document, metadata=metadata)
            return EncodedOutput(content, shape, {json_text.NULLED: nulled} if nulled else {})
        case "csv":
            content, formulas = delimited_text.dump(value, kind)
            return EncodedOutput(content, shape, {FORMULA_CELLS: formulas})
        case "txt":
            return EncodedOutput(_plain_text(value, shape), shape)
        case _:
            return EncodedOutput(parquet_rows.dump(value, kind), shape)


def decode(content: bytes, file_format: str, shape: Shape) -> Any:
    """The value that was encoded. Raises ConfigurationError for no such format."""
    if shape.kind == "table":
        table = _decode_table(content, _checked(file_format), tables.schema_of(shape.schema))
        return tables.from_arrow(table, shape.library)
    match _checked(file_format):
        case "json":
            return json_text.load(content, is_document=shape.kind == "mapping")
        case "csv":
            return delimited_text.load(content, shape.kind)
        case "txt":
            text = content.decode("utf-8")
            return text if shape.kind == "text" else json.loads(text)
        case _:
            return parquet_rows.load(content, shape.kind)


def _encode_table(value: Any, file_format: str, metadata: Mapping[str, str]) -> EncodedOutput:
    table, library = tables.to_arrow(value)
    shape = Shape("table", library, tables.schema_text(table.schema))
    match file_format:
        case "json":
            rows = table.to_pylist()
            content, nulled = json_text.dump(rows, is_document=False, metadata=metadata)
            return EncodedOutput(content, shape, {json_text.NULLED: nulled} if nulled else {})
        case "csv":
            content, formulas = delimited_tables.dump(table)
            return EncodedOutput(content, shape, {FORMULA_CELLS: formulas})
        case "txt":
            raise _no_text(value)
        case _:
            return EncodedOutput(parquet_rows.dump_table(table), shape)


def _decode_table(content: bytes, file_format: str, schema: pa.Schema) -> pa.Table:
    match file_format:
        case "json":
            return pa.Table.from_pylist(json_text.load(content, is_document=False), schema=schema)
        case "csv":
            return delimited_tables.load(content, schema)
        case _:
            return parquet_rows.load_table(content)


def _plain_text(value: Any, shape: Shape) -> bytes:
    if shape.kind == "text":
        return json_text.checked_text(value, "$").encode("utf-8")
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value).encode("ascii")
    raise _no_text(value)


def _no_text(value: Any) -> OutputNotWritable:
    return OutputNotWritable(
        f"$: a text file holds text, not {type(value).__name__}",
        key="$",
        hint="take file_format: json, csv or parquet",
    )


def _metadata(task_key: str, moment: datetime) -> dict[str, str]:
    return {"task_key": task_key, "timestamp": iso(moment)}


def _checked(file_format: str) -> str:
    if file_format not in FORMATS:
        raise ConfigurationError(
            f"file_format: must be one of {', '.join(FORMATS)}", fields=("file_format",)
        )
    return file_format
