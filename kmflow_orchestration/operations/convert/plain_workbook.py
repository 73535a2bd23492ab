"""Rows as a workbook for people, written one after another and held by nobody.

Texts stay texts: none becomes a formula, a date or a number when it is opened.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from kmflow_orchestration.operations.convert.summary_names import CORE, MAKER

Sheet = tuple[str, Iterable[Sequence[object]]]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# What a workbook takes at most.
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
_MOST_CHARACTERS, _LONGEST_NAME = 32_767, 31
# Beyond it a number of fifteen digits is another one.
_MOST_EXACT = 999_999_999_999_999
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_NAME = re.compile(r"[\[\]:*?/\\]")
_TIME = (1980, 1, 1, 0, 0, 0)


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write sheets by name, each with its rows; one that is too long goes on in another.

    The same rows give the same bytes. Raises OSError.
    """
    names: list[str] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, rows in sheets:
            rest = iter(rows)
            first = next(rest, None)
            is_begun = False
            while first is not None or not is_begun:
                is_begun = True
                names.append(_name(name, names))
                first = _write_sheet(target, len(names), first, rest)
        for part, text in _parts(names):
            target.writestr(_entry(part), _HEAD + text)


def _write_sheet(
    target: zipfile.ZipFile,
    number: int,
    first: Sequence[object] | None,
    rest: Iterator[Sequence[object]],
) -> Sequence[object] | None:
    """As many rows as a sheet takes; the first that it does not."""
    with target.open(_entry(f"xl/worksheets/sheet{number}.xml"), "w") as sheet:
        sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        row, count = first, 0
        while row is not None and count < _MOST_ROWS:
            cells = "".join(map(_cell, row[:_MOST_COLUMNS]))
            sheet.write(f"<row>{cells}</row>".encode())
            row, count = next(rest, None), count + 1
        sheet.write(b"</sheetData></worksheet>")
    return row


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{int(value)}</v></c>'
        case int() if abs(value) <= _MOST_EXACT:
            return f"<c><v>{value}</v></c>"
        case float() if math.isfinite(value):
            return f"<c><v>{value!r}</v></c>"
    text = _NO_XML.sub("\ufffd", str(value))
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS - 1]}…"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _name(wanted: str, taken: Sequence[str]) -> str:
    plain = _NO_NAME.sub("_", wanted) or "sheet"
    name, number = plain[:_LONGEST_NAME], 2
    while name.casefold() in {one.casefold() for one in taken}:
        end = f" ({number})"
        name, number = f"{plain[: _LONGEST_NAME - len(end)]}{end}", number + 1
    return name


def _parts(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    numbers = range(1, len(names) + 1)
    sheets = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="rId{at}"/>'
        for at, name in zip(numbers, names, strict=True)
    )
    yield (
        "xl/workbook.xml",
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
    )
    links = "".join(
        f'<Relationship Id="rId{at}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in numbers
    )
    yield "xl/_rels/workbook.xml.rels", _related(links)
    yield (
        "_rels/.rels",
        _related(
            f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
            f'<Relationship Id="rId2" Type="{_PACKAGE}/relationships/metadata/core-properties"'
            f' Target="{CORE}"/>'
        ),
    )
    core = (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:creator>{MAKER}</dc:creator></cp:coreProperties>"
    )
    yield CORE, core
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{at}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
        for at in numbers
    )
    rels = "application/vnd.openxmlformats-package"
    types = (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{rels}.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/{CORE}" ContentType="{rels}.core-properties+xml"/>'
        f"{parts}</Types>"
    )
    yield "[Content_Types].xml", types


def _related(links: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
