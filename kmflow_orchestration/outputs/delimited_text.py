"""Outputs as CSV (row A13) that says what its cells were.

Text is always quoted and nothing else is, so a reader knows `"007"` from `7`, and an empty text
`""` from no value. Dates and times are ISO 8601; NaN and Infinity become no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from kmflow_orchestration.errors import OutputNotWritable
from kmflow_orchestration.outputs.json_text import checked_integer, checked_text
from kmflow_orchestration.outputs.shapes import Kind, plain

FORMULA_STARTS = ("=", "+", "-", "@")
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\n]*))([,\n])')
_INTEGER = re.compile(r"-?\d+\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def dump(value: Any, kind: Kind) -> tuple[bytes, int]:
    """UTF-8 lines ended by a line feed, and how many text cells a spreadsheet takes for formulas.

    Raises:
        OutputNotWritable: a value that is no list of rows, or a cell that is no single value.
    """
    lines: list[str] = []
    formulas = 0
    for number, row in enumerate(_rows(value, kind)):
        if not row:
            raise OutputNotWritable(f"$[{number}]: a row without a cell", key=f"$[{number}]")
        lines.append(",".join(_cell(cell, f"$[{number}]", at) for at, cell in enumerate(row)))
        formulas += sum(isinstance(cell, str) and cell.startswith(FORMULA_STARTS) for cell in row)
    return "".join(f"{line}\n" for line in lines).encode("utf-8"), formulas


def load(content: bytes, kind: Kind) -> Any:
    """The value that was dumped; tuples come back as lists."""
    rows = list(_read_rows(content.decode("utf-8")))
    if kind in {"mapping", "records"}:
        header, *body = rows or [[]]
        records = [dict(zip(header, row, strict=True)) for row in body]
        return records[0] if kind == "mapping" else records
    if kind == "values":
        return [row[0] for row in rows]
    return rows if kind == "rows" else rows[0][0]


def _rows(value: Any, kind: Kind) -> Sequence[Sequence[Any]]:
    if kind == "rows":
        return [[plain(cell) for cell in row] for row in value]
    if kind == "values":
        return [[plain(cell)] for cell in value]
    if kind in {"text", "scalar"}:
        return [[plain(value)]]
    if kind in {"mapping", "records"}:
        return _with_header([value] if kind == "mapping" else value)
    raise OutputNotWritable(
        f"$: CSV holds rows, not {type(value).__name__}", key="$", hint="take file_format: json"
    )


def _with_header(records: Sequence[Mapping[Any, Any]]) -> Sequence[Sequence[Any]]:
    """Header and rows of mappings; a key that a mapping lacks is no value there."""
    header = list(dict.fromkeys(name for record in records for name in record))
    for name in header:
        if not isinstance(name, str):
            raise OutputNotWritable(f"$: the column {name!r} is no text", key=str(name))
    return [header, *([plain(record.get(name)) for name in header] for record in records)]


def _cell(value: Any, row: str, at: int) -> str:
    key = f"{row}[{at}]"
    if _is_missing(value):
        return ""
    if isinstance(value, str):
        return '"' + checked_text(value, key).replace('"', '""') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(checked_integer(int(value), key))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, date):
        return value.isoformat()
    raise OutputNotWritable(
        f"{key}: a CSV cell holds no {type(value).__name__}",
        key=key,
        hint="convert it, or take file_format: json or parquet",
    )


def _is_missing(value: Any) -> bool:
    """None, NaN, Infinity, and the missing moment of pandas, which equals not even itself."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or (isinstance(value, date) and value != value)  # noqa: PLR0124


def _read_rows(text: str) -> Iterator[list[Any]]:
    row: list[Any] = []
    for match in _CELL.finditer(text):
        quoted, bare, end = match.groups()
        row.append(_bare_value(bare) if quoted is None else quoted.replace('""', '"'))
        if end == "\n":
            yield row
            row = []


def _bare_value(text: str) -> Any:
    if not text:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.match(text):
        return int(text)
    if _DAY.match(text):
        return date.fromisoformat(text)
    return datetime.fromisoformat(text) if "T" in text else float(text)
