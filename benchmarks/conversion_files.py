"""Files to convert, made from nothing but numbers: the same ones for us and for the peers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_ROWS = """
SELECT i AS id, 'customer_' || (i % 5000) AS name, (hash(i) % 100000)::BIGINT AS qty,
       round((hash(i + 1) % 1000000) / 100, 2)::DECIMAL(10, 2) AS price,
       (hash(i + 2) % 1000000) / 10000 AS ratio,
       DATE '2020-01-01' + (i % 2000)::INT AS day,
       TIMESTAMP '2020-01-01' + to_seconds(i) AS seen_at,
       i % 2 = 0 AS flag,
       CASE WHEN i % 10 <> 0 THEN md5(i::VARCHAR)[1:12] END AS code,
       'some text here, ' || (i % 97) AS note
FROM range({rows}) AS numbers(i)
"""


def csv(target: Path, rows: int) -> None:
    _copied(target, rows, "FORMAT csv, HEADER")


def json_lines(target: Path, rows: int) -> None:
    _copied(target, rows, "FORMAT json")


def _copied(target: Path, rows: int, options: str) -> None:
    import duckdb

    duckdb.execute(f"COPY ({_ROWS.format(rows=rows)}) TO '{target}' ({options})")


def dirty_csv(target: Path, rows: int) -> None:
    """Quoted line breaks, short and long rows, and bytes that are no UTF-8."""
    with target.open("wb") as stream:
        stream.write(b"id;name;qty;note\r\n")
        for row in range(rows):
            text = f'"says ""{row}""\nand goes on"' if row % 7 == 0 else f"plain {row}"
            line = f"{row};customer {row % 50};{row % 1000};{text}".encode()
            if row % 101 == 0:
                line = f"{row};short".encode()
            elif row % 103 == 0:
                line += b";surplus"
            elif row % 107 == 0:
                line = line.replace(b"customer", b"caf\xe9")
            stream.write(line + b"\r\n")


def _record(row: int) -> tuple[int, str, int, str, str, str]:
    day = f"{2020 + row % 6}-{row % 12 + 1:02}-{row % 28 + 1:02}"
    price = f"{row % 9999}.{row % 100:02}"
    return row, f"customer {row % 5000}", row * 7919 % 100_000, price, day, f"note {row % 97}"


def workbook(target: Path, rows: int) -> None:
    from datetime import date

    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.append(
        [f"{name}{half}" for half in "ab" for name in ("id", "name", "qty", "price", "day")]
    )
    for row in range(rows):
        number, name, qty, price, day, _ = _record(row)
        half = [number, name, qty, float(price), date.fromisoformat(day)]
        sheet.append([*half, *half])
    book.save(target)


def xml(target: Path, rows: int) -> None:
    names = ("id", "name", "qty", "price", "day", "note")
    with target.open("w", encoding="utf-8") as stream:
        stream.write('<?xml version="1.0" encoding="UTF-8"?>\n<rows>\n')
        for row in range(rows):
            cells = "".join(
                f"<{name}>{value}</{name}>" for name, value in zip(names, _record(row), strict=True)
            )
            stream.write(f"<row>{cells}</row>\n")
        stream.write("</rows>\n")


def nested_xml(target: Path, rows: int) -> None:
    """Orders with a customer and one to five lines each: two tables, one below the other."""
    with target.open("w", encoding="utf-8") as stream:
        stream.write('<?xml version="1.0" encoding="UTF-8"?>\n<orders>\n')
        for row in range(rows):
            number, name, _, _, day, note = _record(row)
            lines = "".join(
                f"<line><qty>{qty}</qty><price>{price}</price></line>"
                for _, _, qty, price, *_ in map(_record, range(row, row + row % 5 + 1))
            )
            stream.write(
                f'<order id="{number}"><customer><name>{name}</name><note>{note}</note></customer>'
                f"<day>{day}</day><lines>{lines}</lines></order>\n"
            )
        stream.write("</orders>\n")


def dbf(target: Path, rows: int) -> None:
    """dBASE III: two identifiers, two amounts, two dates and four texts."""
    half = (("ID", "N", 10, 0), ("PRICE", "N", 12, 2), ("DAY", "D", 8, 0), ("NAME", "C", 20, 0))
    fields = [(f"{name}{side}", *rest) for side in "AB" for name, *rest in half]
    fields += [("NOTEA", "C", 20, 0), ("NOTEB", "C", 20, 0)]
    header_bytes = 32 + 32 * len(fields) + 1
    record_bytes = 1 + sum(length for _, _, length, _ in fields)
    with target.open("wb") as stream:
        stream.write(struct.pack("<4BIHH20x", 3, 126, 1, 5, rows, header_bytes, record_bytes))
        for name, kind, length, decimals in fields:
            packed = struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), length, decimals)
            stream.write(packed)
        stream.write(b"\r")
        stream.writelines(_dbf_records(rows))
        stream.write(b"\x1a")


def _dbf_records(rows: int) -> Iterator[bytes]:
    for row in range(rows):
        number, name, _, price, day, note = _record(row)
        half = f"{number:>10}{price:>12}{day.replace('-', '')}{name:<20}"
        yield f" {half}{half}{note:<20}{note:<20}".encode()
