"""Tables as bytes of a format; the same table always gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from kmflow_orchestration.demo.column_kit import Cell, Table
from kmflow_orchestration.errors import MissingDependency

_FIXED = datetime(2026, 11, 2, 8, 0)  # noqa: DTZ001 - a workbook's properties have no zone


def delimited(table: Table, *, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """CSV with a header; short and long rows stay as they are."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(table.header)
    writer.writerows([_text(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode(encoding)


def json_array(table: Table) -> bytes:
    """One array of objects."""
    return json.dumps(_records(table), indent=1, ensure_ascii=False).encode()


def json_lines(table: Table) -> bytes:
    return b"".join(
        json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in _records(table)
    )


def xml_records(table: Table, *, root: str, record: str) -> bytes:
    """One element a row, one child a cell; empty cells are left out."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{root}>"]
    for row in table.rows:
        cells = "".join(
            f"<{name}>{escape(_text(cell))}</{name}>"
            for name, cell in zip(table.header, row, strict=False)
            if cell is not None
        )
        lines.append(f"  <{record}>{cells}</{record}>")
    return "\n".join([*lines, f"</{root}>", ""]).encode()


def workbook(sheets: Mapping[str, Table]) -> bytes:
    """An .xlsx with one sheet a table; numbers and dates are typed cells.

    Raises:
        MissingDependency: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise MissingDependency(
            "workbooks of the demo need openpyxl", hint="pip install 'kmflow_orchestration[demo]'"
        ) from error
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = _FIXED
    book.properties.creator = "kmflow demo"
    for name, table in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(table.header)
        for row in table.rows:
            sheet.append(row)
    packed = io.BytesIO()
    book.save(packed)
    return _without_times(packed.getvalue())


def _without_times(packed: bytes) -> bytes:
    """The same archive with fixed times: openpyxl writes the moment of saving into it, twice."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(packed)) as source,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _fixed_properties(content)
            target.writestr(
                zipfile.ZipInfo(name, _FIXED.timetuple()[:6]),
                content,
                compress_type=zipfile.ZIP_DEFLATED,
            )
    return result.getvalue()


def _fixed_properties(content: bytes) -> bytes:
    import re

    stamp = f">{_FIXED.isoformat()}Z</dcterms:modified>".encode()
    return re.sub(rb">[^<]*</dcterms:modified>", stamp, content)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _records(table: Table) -> list[dict[str, Any]]:
    return [
        {name: _json_value(cell) for name, cell in zip(table.header, row, strict=False)}
        for row in table.rows
    ]


def _json_value(cell: Cell) -> Any:
    if isinstance(cell, Decimal):
        return float(cell)
    return cell if isinstance(cell, str | int | bool | None) else _text(cell)
