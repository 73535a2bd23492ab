"""The zip archive of a workbook: is it safe to unpack, and which cells show as empty."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kmflow_orchestration.converters.content_look import ZIP_DAMAGE
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.safe_xml import ENTITIES
from kmflow_orchestration.errors import CorruptInput

_MAX_MEMBERS = 10_000
_MAX_BYTES = 10 << 30
# Sheets of repeated cells pack well: the ratio matters only where it hurts (row D22).
_MAX_RATIO, _RATIO_FROM_BYTES = 100, 256 << 20
_CHUNK_BYTES = 1 << 20
_ERROR_MARK = b't="e"'
_ERROR_CELL = re.compile(rb'<c\s[^>]*\bt="e"')
_NO_RESULT = rb"<f\b[^>]*?(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>|</c>)"
_UNCALCULATED = re.compile(_NO_RESULT)
# A text without characters is a result.
_UNCALCULATED_CELL = re.compile(rb'<c(?:\s(?![^>]*\bt="(?:str|e)")[^>]*)?>\s*' + _NO_RESULT)
_SHEET = re.compile(r"<(?:\w+:)?sheet\s([^>]*)>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')


def check_archive(path: Path) -> None:
    """Refuses what would unpack beyond all measure; old .xls files are no archives.

    Raises:
        CorruptInput: a damaged archive, or one over the limits (`too_large_inside`).
    """
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except ZIP_DAMAGE as error:
        raise CorruptInput(f"the archive is damaged: {error}") from error
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    swells = unpacked > _RATIO_FROM_BYTES and unpacked > _MAX_RATIO * max(packed, 1)
    if len(members) > _MAX_MEMBERS or unpacked > _MAX_BYTES or swells:
        raise CorruptInput(f"{len(members)} members unpack to {unpacked} bytes", reason=TOO_LARGE)


class CellCounts(NamedTuple):
    """Cells the reader shows as empty: error values, and formulas without a stored result."""

    errors: int = 0
    uncalculated: int = 0


def cell_counts(path: Path, known: Mapping[str, CellCounts]) -> Mapping[str, CellCounts]:
    """By sheet name, what the reader shows as empty and is not; `known` sheets are not read.

    Only for Office Open XML: other workbooks give no counts.
    """
    if not zipfile.is_zipfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                name: known[name] if name in known else _count_in(archive, member)
                for name, member in sheet_members(archive).items()
            }
    except (*ZIP_DAMAGE, KeyError):
        return {}


def sheet_members(archive: zipfile.ZipFile) -> dict[str, str]:
    """By sheet name, the members that are there. Raises KeyError and as a damaged archive does."""
    there = set(archive.namelist())
    return {name: member for name, member in _named_members(archive).items() if member in there}


def _named_members(archive: zipfile.ZipFile) -> dict[str, str]:
    book = archive.read("xl/workbook.xml").decode("utf-8")
    relations = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8")
    targets = {}
    for tag in _RELATION.findall(relations):
        attributes = dict(_ATTRIBUTE.findall(tag))
        targets[attributes.get("Id", "")] = attributes.get("Target", "")
    members = {}
    for tag in _SHEET.findall(book):
        attributes = dict(_ATTRIBUTE.findall(tag))
        target = PurePosixPath("/xl") / targets.get(attributes.get("r:id", ""), "")
        members[_unescaped(attributes.get("name", ""))] = str(target).lstrip("/")
    return members


def _unescaped(text: str) -> str:
    for entity, char in ENTITIES.items():
        text = text.replace(entity, char)
    return text


def _count_in(archive: zipfile.ZipFile, member: str) -> CellCounts:
    with archive.open(member) as stream:
        return count_cells(iter(lambda: stream.read(_CHUNK_BYTES), b""))


def count_cells(chunks: Iterable[bytes]) -> CellCounts:
    """In the XML of a sheet, which comes in chunks."""
    errors, uncalculated, tail = 0, 0, b""
    for chunk in chain(chunks, (b"",)):
        window = tail + chunk
        cut = _end_of_cells(window) if chunk else len(window)
        # Most sheets have none, and looking for a rare beginning takes no time.
        if _ERROR_MARK in window:
            errors += len(_ERROR_CELL.findall(window, 0, cut))
        if _UNCALCULATED.search(window, 0, cut):
            uncalculated += len(_UNCALCULATED_CELL.findall(window, 0, cut))
        tail = window[cut:]
    return CellCounts(errors, uncalculated)


def _end_of_cells(window: bytes) -> int:
    """A cell may lie across two chunks: the last one that begins waits for the next, once."""
    last = window.rfind(b"<c")
    return last if last > 0 else window.rfind(b">") + 1
