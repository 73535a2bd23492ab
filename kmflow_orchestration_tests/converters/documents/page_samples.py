"""PDF, HTML, RTF and OpenDocument files, small and complete."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

HTML = """<!DOCTYPE html><html><head><title>Returns  policy</title>
<meta name="author" content="Ann"><script>var x = "never read";</script></head><body>
<h1>Returns</h1><p>Goods come back within <b>14</b> days.<br>See <a href="https://e.com/r">rules</a>.
<ul><li>clean</li><li>unused<ol><li>label on<li>box closed</ol></li></ul>
<table><caption>Fees</caption><tr><th>Kind</th><th>Fee</th></tr>
<tr><td>Late</td><td>5 | 6</td></tr></table>
<table><tr><td><h2>Layout</h2><p>inside a frame</p></td></tr></table>
<pre>x = 1
  y</pre><img src="x.png" alt="A flow chart"><style>p {}</style></body></html>"""

RTF = (
    r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title Handover}{\author Ann}}"
    r"\pard Handover at the gate\par Caf\'e9 \u8364? 5\par"
    r"\trowd\cellx1000\cellx2000 Shift\cell Lead\cell\row Early\cell Ben\cell\row\pard Done\par}"
)

_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_ODT_NAMESPACES = (
    f'xmlns:office="{_OFFICE}" xmlns:text="urn:t" xmlns:table="urn:tb" xmlns:draw="urn:d" '
    'xmlns:dc="urn:dc" xmlns:style="urn:s" xmlns:meta="urn:m"'
)
ODT_CONTENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content {_ODT_NAMESPACES}><office:body><office:text>
<text:tracked-changes><text:changed-region><text:deletion><office:change-info>
<dc:creator>Ben</dc:creator></office:change-info><text:p>twice</text:p></text:deletion>
</text:changed-region></text:tracked-changes>
<text:h text:outline-level="1">Access <text:span>rights</text:span></text:h>
<text:p>New<text:s text:c="2"/>people<text:note><text:note-citation>1</text:note-citation>
<text:note-body><text:p>Since May.</text:p></text:note-body></text:note> get
 a copy.<office:annotation><dc:creator>Ann</dc:creator>
<text:p>All of it?</text:p></office:annotation></text:p>
<text:list><text:list-item><text:p>ask</text:p>
<text:list><text:list-item><text:p>in writing</text:p>
</text:list-item></text:list></text:list-item></text:list>
<table:table><table:table-row><table:table-cell><text:p>Role</text:p></table:table-cell>
<table:table-cell table:number-columns-repeated="9999999"/></table:table-row></table:table>
<text:p><draw:frame><draw:text-box><text:p>In a frame</text:p></draw:text-box></draw:frame></text:p>
</office:text></office:body></office:document-content>"""
_ODT_STYLES = f"""<office:document-styles {_ODT_NAMESPACES}><office:master-styles>
<style:master-page><style:header><text:p>Confidential</text:p></style:header></style:master-page>
</office:master-styles></office:document-styles>"""
_ODT_META = f"""<office:document-meta {_ODT_NAMESPACES}><office:meta><dc:title>Access</dc:title>
<meta:initial-creator>Ann</meta:initial-creator>
<meta:document-statistic meta:page-count="3"/></office:meta></office:document-meta>"""


def odt(content: str = ODT_CONTENT, manifest: str = "<manifest/>") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        kind = "application/vnd.oasis.opendocument.text"
        target.writestr("mimetype", kind, zipfile.ZIP_STORED)
        target.writestr("content.xml", content)
        target.writestr("styles.xml", _ODT_STYLES)
        target.writestr("meta.xml", _ODT_META)
        target.writestr("META-INF/manifest.xml", manifest)
    return packed.getvalue()


def pdf(*, is_encrypted: bool = False, has_damaged_page: bool = False) -> bytes:
    """Four pages: two of text, one that is a picture, one that is blank; with an outline.

    The first links to an address and to the second; the last may be damaged.
    """
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Outlines 9 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R 6 0 R] /Count 4 >>",
        _page(b"/Contents 7 0 R /Annots [14 0 R 15 0 R]"),
        _page(b"/Contents 8 0 R"),
        _page(b"/Contents 12 0 R"),
        b"[ /NoPage ]" if has_damaged_page else _page(b""),
        _stream(b"BT /F1 11 Tf 14 TL 50 780 Td (Tariff) Tj T* (All rates in EUR) Tj ET"),
        _stream(b"BT /F1 11 Tf 50 780 Td (Exceptions) Tj ET"),
        b"<< /Type /Outlines /First 10 0 R /Last 10 0 R /Count 1 >>",
        b"<< /Title (Rates that apply) /Parent 9 0 R /Dest [4 0 R /Fit] >>",
        b"<< /Title (Tariff 2026) /Author (Ann) /CreationDate (D:20261005081500+02'00') >>",
        _stream(b"q 100 0 0 100 50 50 cm 0 0 m 1 1 l S Q"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _link(b"/A << /S /URI /URI (https://example.com/rates) >>"),
        _link(b"/Dest [4 0 R /Fit]"),
    ]
    return _numbered(objects, is_encrypted=is_encrypted)


def _page(more: bytes) -> bytes:
    font = b"/Resources << /Font << /F1 13 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s %s >>" % (font, more)


def _link(target: bytes) -> bytes:
    return b"<< /Type /Annot /Subtype /Link /Rect [50 700 90 720] %s >>" % target


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _numbered(objects: Sequence[bytes], *, is_encrypted: bool) -> bytes:
    document, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    # Keys that no empty password opens.
    locked = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]"
    secret = locked % (b"41" * 32, b"42" * 32) if is_encrypted else b""
    count = len(objects) + 1
    return document + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /Info 11 0 R %s >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (count, table, count, secret, len(document))
    )
