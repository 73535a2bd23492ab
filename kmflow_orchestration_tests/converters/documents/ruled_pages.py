"""PDF pages with tables on them, drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]
_LEFT, _WIDTH, _HEIGHT = 60, 130, 18


def page_of(*parts: bytes) -> bytes:
    """What is drawn on a page."""
    return b"\n".join(parts)


def text_at(x: float, y: float, text: str) -> bytes:
    return b"BT /F1 10 Tf %g %g Td (%s) Tj ET" % (x, y, text.encode("latin-1"))


def cells(rows: Rows, top: float, *, width: float = _WIDTH) -> bytes:
    """Texts in columns, the first line of them at `top`."""
    return b"\n".join(
        text_at(_LEFT + 4 + column * width, top - row * _HEIGHT, text)
        for row, line in enumerate(rows)
        for column, text in enumerate(line)
        if text
    )


def ruled(rows: Rows, top: float) -> bytes:
    """The same with lines around every cell."""
    columns = max(map(len, rows))
    right, bottom = _LEFT + columns * _WIDTH, top + 13 - len(rows) * _HEIGHT
    lines = [
        b"%g %g m %g %g l S" % (_LEFT, y, right, y)
        for y in (top + 13 - row * _HEIGHT for row in range(len(rows) + 1))
    ]
    lines += [
        b"%g %g m %g %g l S" % (x, top + 13, x, bottom)
        for x in (_LEFT + column * _WIDTH for column in range(columns + 1))
    ]
    return b"\n".join([*lines, cells(rows, top)])


def pdf_of(pages: Sequence[bytes]) -> bytes:
    """A document of these pages."""
    count = len(pages)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, content in enumerate(pages):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * at),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    document, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return document + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n"
        b"%%%%EOF\n" % (len(objects) + 1, table, len(objects) + 1, len(document))
    )
