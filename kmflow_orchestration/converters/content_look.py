"""What a file's first bytes and its container say about it, before any converter reads it."""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kmflow_orchestration.converters.delimited_dialect import table_candidate
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.errors import CorruptInput

HEAD_BYTES = 64 << 10
# What the standard library raises over archives that are damaged, encrypted or from the future.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CONTROLS = bytes(sorted(frozenset(range(32)) - {9, 10, 12, 13, 27}))
# Formats that are text to a probe, yet announce themselves.
_ANNOUNCED = (
    (b"%pdf-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"<?xml", "xml"),
    (b"<!doctype html", "html"),
    (b"<html", "html"),
    (b"par1", "parquet"),
)


class Container(StrEnum):
    """Formats told apart by what lies inside a zip or OLE container; '' for none."""

    NONE = ""
    XLSX = "xlsx"
    XLSB = "xlsb"
    XLS = "xls"
    ODS = "ods"
    DOCX = "docx"
    PPTX = "pptx"
    ODT = "odt"
    VSDX = "vsdx"
    MSG = "msg"
    DOC = "doc"
    PPT = "ppt"
    ENCRYPTED = "encrypted"
    ZIP = "zip"
    OLE = "ole"


_MEMBERS = (
    ("xl/workbook.xml", Container.XLSX),
    ("xl/workbook.bin", Container.XLSB),
    ("word/document.xml", Container.DOCX),
    ("ppt/presentation.xml", Container.PPTX),
    ("visio/document.xml", Container.VSDX),
)
# Streams at the top of an OLE file; the first that is there decides.
_STREAMS = (
    ("EncryptedPackage", Container.ENCRYPTED),
    ("Workbook", Container.XLS),
    ("Book", Container.XLS),
    ("__properties_version1.0", Container.MSG),
    ("WordDocument", Container.DOC),
    ("PowerPoint Document", Container.PPT),
)
_OPEN_DOCUMENT = {b"spreadsheet": Container.ODS, b"text": Container.ODT}


@dataclass(frozen=True, slots=True)
class ContentLook:
    """`is_text`: readable characters only. `announced`: a format named by its first bytes."""

    is_text: bool
    is_container: bool
    announced: str


def look_at(head: bytes) -> ContentLook:
    """First bytes of a file, at most HEAD_BYTES of them."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:32].lower()
    announced = next((name for mark, name in _ANNOUNCED if start.startswith(mark)), "")
    is_container = head.startswith((_ZIP, _OLE))
    return ContentLook(not is_container and _is_text(head), is_container, announced)


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    # In one pass: intake asks this of every file.
    controls = len(head) - len(head.translate(None, _CONTROLS))
    # A few stray NULs do not make a table binary.
    return controls <= len(head) // 100 + (1 if len(head) < 100 else 0)


def container_of(path: Path, head: bytes) -> Container:
    """What kind of container a file is. A damaged one is ZIP or OLE."""
    if head.startswith(_OLE):
        return _by_streams(path)
    if not head.startswith(_ZIP):
        return Container.NONE
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except ZIP_DAMAGE:
        return Container.ZIP
    if b"opendocument." in kind:
        return _OPEN_DOCUMENT.get(kind.rpartition(b".")[2], Container.ZIP)
    return next((found for member, found in _MEMBERS if _has(names, member)), Container.ZIP)


def _has(names: Collection[str], member: str) -> bool:
    # Some write word/document2.xml.
    stem, end = member[:-4], member[-4:]
    return member in names or any(name.startswith(stem) and name.endswith(end) for name in names)


def _by_streams(path: Path) -> Container:
    import olefile

    try:
        with refusals_of("OLE directory"), olefile.OleFileIO(path) as container:
            names = {entry[0].lower() for entry in container.listdir()}
    # The names may still be there.
    except CorruptInput:
        names = _names_anywhere(path)
    return next((kind for name, kind in _STREAMS if name.lower() in names), Container.OLE)


def _names_anywhere(path: Path) -> set[str]:
    """Which of the streams we know a damaged OLE file names (names are UTF-16)."""
    with path.open("rb") as stream:
        content = stream.read(32 << 20)
    return {name.lower() for name, _ in _STREAMS if f"{name}\0".encode("utf-16-le") in content}


def tabular_agreement(head: bytes) -> float:
    """Share of records with the commonest number of fields; 0 for one column or one record."""
    look = look_at(head)
    if not look.is_text or look.announced:
        return 0.0
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    if text.lstrip()[:1] in ("{", "["):
        return 0.0
    best = table_candidate(text, is_whole=len(head) < HEAD_BYTES)
    return best.agreement if best else 0.0
