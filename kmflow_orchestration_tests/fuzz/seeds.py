"""A small sound file of each format we read, by its name."""

from __future__ import annotations

import io
from datetime import date


def _csv() -> bytes:
    lines = [
        'id,name,"amount, gross",day',
        '1,Ann,"1,50",2026-11-20',
        '2,"B ""x""",2.25,2026-11-21',
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _semicolons() -> bytes:
    rows = [f"{number};caf\u00e9 {number};{number},5" for number in range(12)]
    return "\n".join(["Report", "", "nr;name;value", *rows, "total;;66"]).encode("cp1252")


def _workbook() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    for row in (["Title"], [], ["id", "day"], [1, date(2026, 11, 20)], [2.5, None]):
        sheet.append(row)
    sheet.merge_cells("A4:B4")
    book.create_sheet("more").append(["x"])
    found = io.BytesIO()
    book.save(found)
    return found.getvalue()


def _text() -> bytes:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    return f"Heading\n=======\n\nA caf\u00e9.\n\n- one\n- two\n\n{table}".encode()


SEEDS: dict[str, bytes] = {
    "table.csv": _csv(),
    "export.txt": _semicolons(),
    "tabs.tsv": _csv().replace(b",", b"\t"),
    "book.xlsx": _workbook(),
    "notes.md": _text(),
    "notes.txt": _text(),
}
