"""Large sheets whose rows all look the same, as tables."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.converters.content_look import ZIP_DAMAGE
from kmflow_orchestration.converters.spreadsheet_layout import Block, is_table, whole_sheet
from kmflow_orchestration.converters.spreadsheet_table import (
    BATCH_ROWS,
    Chunk,
    SheetPlace,
    SheetTable,
)
from kmflow_orchestration.converters.workbook_archive import (
    CellCounts,
    count_cells,
    sheet_members,
)
from kmflow_orchestration.converters.workbook_rows import HEAD_ROWS, PatternRows
from kmflow_orchestration.converters.workbook_texts import UnlikeRowsError

# Of a smaller sheet nothing is won.
_LEAST_BYTES = 4 << 20
_MOST_SHEETS = 64


@dataclass(frozen=True, slots=True)
class PatternedSheet:
    """A sheet that was read, and what there is to tell of it."""

    table: SheetTable
    counts: CellCounts
    merged_count: int


def patterned_sheets(
    path: Path, content_hash: str, numbers: dict[str, int], *, least_bytes: int = _LEAST_BYTES
) -> dict[str, PatternedSheet]:
    """By name, those of the sheets that are large and simple: others are for the reader.

    `numbers` are those of the sheets that are wanted.
    """
    found: dict[str, PatternedSheet] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.lower() for name in archive.namelist()]
            if len(set(names)) < len(names):
                # Which of two members counts is the reader's to say.
                return {}
            members = sheet_members(archive)
            for name, number in list(numbers.items())[:_MOST_SHEETS]:
                if name in members and archive.getinfo(members[name]).file_size >= least_bytes:
                    sheet = _read(archive, members[name], name, number, content_hash)
                    if sheet is not None:
                        found[name] = sheet
    except (*ZIP_DAMAGE, KeyError):
        return {}
    return found


def _read(
    archive: zipfile.ZipFile, member: str, name: str, number: int, content_hash: str
) -> PatternedSheet | None:
    import python_calamine as calamine

    try:
        rows = PatternRows(archive, member, name)
        blocks = whole_sheet(rows.head)
        if not blocks or not blocks[0].has_header or not is_table(rows.head, blocks[0]):
            return None
        header_at = blocks[0].header_at
        # Where a header stands the first twenty rows say, which are among the head.
        groups = rows.groups(header_at, BATCH_ROWS)
        shown = rows.head[header_at]
        width = max(len(shown), *(max(group.columns) + 1 for group in groups))
        header = [cell for cell in shown if cell not in (None, "")]
        if header_at > HEAD_ROWS // 2 or 2 * len(header) < width:
            return None
        count = header_at + 1 + sum(group.row_count for group in groups)
        chunks = [
            Chunk(
                list(range(group.first, group.first + group.row_count)),
                [
                    group.columns.get(at, pa.nulls(group.row_count, pa.string()))
                    for at in range(width)
                ],
            )
            for group in groups
        ]
        place = SheetPlace(name, name, number, Block(0, count, header_at), content_hash)
        table = SheetTable(place, rows.head[: header_at + 1], chunks)
        counts = count_cells([rows.bytes_above(header_at)])
        return PatternedSheet(table, counts, rows.merged_count())
    except (UnlikeRowsError, calamine.CalamineError):
        return None
