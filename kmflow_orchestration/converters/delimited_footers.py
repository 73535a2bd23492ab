"""Rows below a table that are no data: notes, sources, stamps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kmflow_orchestration.converters.cell_kinds import Look, look_of
from kmflow_orchestration.converters.delimited_header import column_looks
from kmflow_orchestration.converters.delimited_records import TextRecord

_MAX_FOOTER_ROWS = 20
# A word alone may be a value (`Record`): a note goes on behind it.
_FOOTNOTE: Final = re.compile(
    r"\W*(?:(?:sources?|notes?|footnotes?|foot|quelle|hinweis|generated|created|exported|copyright"
    r"|end of|(?:total )?rows?|records?|disclaimer|stand)\b\s*\S|\(c\)|©|\*+|†|\(?\d\))",
    re.IGNORECASE,
)


def footer_start(
    records: Sequence[TextRecord], rows: list[int], width: int
) -> tuple[int, list[int]]:
    """Index after the last row of a table whose rows these are, and the footers behind it."""
    footers: list[int] = []
    stop = rows[-1] + 1 if rows else len(records)
    if stop and not any(record.filled for record in records[stop:]):
        stop = len(records)
    if width < 2:
        return stop, []
    body = [records[at].fields for at in rows[1:-1] if len(records[at].fields) == width]
    looks = column_looks(body[-300:], width)
    sparse = sum(_is_sparse(records[at]) for at in rows[:-_MAX_FOOTER_ROWS])
    end = len(rows)
    while end > 2 and len(rows) - end < _MAX_FOOTER_ROWS:
        at = rows[end - 1]
        is_apart = _is_apart(records, rows, end - 1, width)
        if not _is_footer(records[at], width, looks[0], is_apart=is_apart, is_rare=not sparse):
            break
        footers.append(at)
        end -= 1
    return (rows[end - 1] + 1 if end < len(rows) else stop), sorted(footers)


def _is_sparse(record: TextRecord) -> bool:
    return record.filled == 1 and len(record.fields) > 2


def _is_apart(records: Sequence[TextRecord], rows: list[int], position: int, width: int) -> bool:
    """Whether a blank row parts this row from the last full one above it."""
    while position > 0:
        at, before = rows[position], rows[position - 1]
        if any(not records[between].filled for between in range(before + 1, at)):
            return True
        if len(records[before].fields) == width and records[before].filled > 1:
            return False
        position -= 1
    return False


def _is_footer(
    record: TextRecord, width: int, look: Look, *, is_apart: bool, is_rare: bool
) -> bool:
    count, first = len(record.fields), record.fields[0] or ""
    if count > width or (count == width and not (_is_sparse(record) and is_rare)):
        return False
    if not first or (count == width and record.is_quoted):
        return False
    misfits = look_of(first) is Look.TEXT and look not in (Look.TEXT, Look.EMPTY)
    speaks = bool(_FOOTNOTE.match(first)) or len(first.split()) > 3
    if count == 1:
        return is_apart or misfits or speaks
    if count == width:
        return speaks and (is_apart or misfits)
    return is_apart and (misfits or speaks)


def footers_of(records: Sequence[TextRecord], width: int) -> tuple[int, list[int]]:
    """The same for records that are all of one table."""
    rows = [at for at, record in enumerate(records) if record.filled]
    return footer_start(records, rows, width) if rows else (len(records), [])
