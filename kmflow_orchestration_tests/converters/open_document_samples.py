"""OpenDocument workbooks made of nothing but their cells."""

from __future__ import annotations

import io
import zipfile


def ods_cell(value: str, attribute: str = "", kind: str = "string") -> str:
    typed = f' office:{attribute}="{value}"' if attribute else ""
    shown = f"<text:p>{value}</text:p>"
    return f'<table:table-cell office:value-type="{kind}"{typed}>{shown}</table:table-cell>'


def open_document(*sheets: str) -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "style", "xlink", "dc")
    )
    hidden = (
        '<style:style style:name="off" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    content = (
        f"<office:document-content {spaces}><office:automatic-styles>{hidden}"
        f"</office:automatic-styles><office:body><office:spreadsheet>{''.join(sheets)}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return buffer.getvalue()


def ods_sheet(name: str, *lines: str, style: str = "") -> str:
    body = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    return f'<table:table table:name="{name}" table:style-name="{style}">{body}</table:table>'
