"""What the rows of a delimited text are: tables with header and data, and what stands around."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import Final

from kmflow_orchestration.converters.cell_kinds import Look, look_of
from kmflow_orchestration.converters.delimited_footers import footer_start
from kmflow_orchestration.converters.delimited_header import Header, column_looks, find_header
from kmflow_orchestration.converters.delimited_records import Record, TextRecord

COMMENT_MARKS: Final = ("#", "//", "%", "--")
_MAX_PREAMBLE_ROWS = 100


class Aside(StrEnum):
    """Rows that are no data."""

    PREAMBLE = "preamble"
    FOOTER = "footer"
    COMMENT = "comment"
    REPEATED_HEADER = "repeated header"


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table by the indexes of its records: the header at `top`, data from `first` to `stop`.

    `asides` are the rows around and among the data that belong to no row of it.
    """

    header: Header
    width: int
    top: int
    first: int
    stop: int
    title: str = ""
    asides: Mapping[int, Aside] = field(default_factory=dict)


def lay_out(
    records: Sequence[TextRecord],
    *,
    header: str = "auto",
    comment: str | None = None,
    is_whole: bool = True,
) -> list[TableLayout]:
    """Tables of a text; empty when no record has a value.

    `header` is `auto`, `none`, or the number of the header's record, from 1; `comment` is the mark
    comments begin with, '' for none, None to find out. Several tables and footers are looked for
    in whole texts only.
    """
    width = common_width(records)
    comments = _comments(records, width, comment)
    rows = [at for at, record in enumerate(records) if at not in comments and record.filled]
    if not any(any(records[at].fields) for at in rows):
        return []
    asides = dict.fromkeys(comments, Aside.COMMENT)
    if header.isdigit():
        if int(header) > len(records):
            return []
        return [_table_at(records, rows, int(header) - 1, asides, is_whole=is_whole)]
    spans = _spans(records, rows) if is_whole and header == "auto" else [rows]
    last = spans[-1]
    return [
        _table(records, span, asides, header=header, has_end=is_whole or span is not last)
        for span in spans
    ]


def common_width(records: Sequence[TextRecord]) -> int:
    """The number of fields most records have, more than one if any have; of equals the first."""
    # A Counter keeps the order in which widths were first seen.
    widths = Counter(len(record.fields) for record in records if record.filled)
    if not widths:
        return 1
    return max(widths, key=lambda width: (widths[width] * (width > 1), widths[width]))


def _comments(records: Sequence[TextRecord], width: int, mark: str | None) -> set[int]:
    if mark is not None:
        return {at for at, record in enumerate(records) if mark and is_comment(record, mark)}
    leads = list(map(_lead, records))
    for sign in COMMENT_MARKS:
        found = [at for at, lead in enumerate(leads) if lead.startswith(sign)]
        others = [at for at in found if len(records[at].fields) != width]
        if not found or len(found) == len(records) or 2 * len(others) < len(found):
            continue
        if width > 1:
            header = _commented_header(records, found, width)
            return set(found) - {header}
    return set()


def is_comment(record: TextRecord, mark: str) -> bool:
    """Whether a record begins with a comment's mark outside quotes."""
    return _lead(record).startswith(mark)


def _lead(record: TextRecord) -> str:
    """How a record begins outside quotes."""
    return "" if record.is_quoted else (record.fields[0] or "").lstrip()


def _commented_header(records: Sequence[TextRecord], found: list[int], width: int) -> int:
    """The last of the leading comments when it names the columns (`# id,name`); else -1."""
    first = next((at for at, row in enumerate(records) if row.filled and at not in found), -1)
    before = [at for at in found if at < first]
    if not before or len(records[before[-1]].fields) != width:
        return -1
    rows = [record.fields for record in records[first : first + 50]]
    return before[-1] if find_header([records[before[-1]].fields, *rows], width).rows else -1


def _table_at(
    records: Sequence[TextRecord],
    rows: list[int],
    top: int,
    asides: dict[int, Aside],
    *,
    is_whole: bool,
) -> TableLayout:
    """The table whose header stands where it was said to."""
    below = [at for at in rows if at > top]
    fields = records[top].fields
    width = len(fields)
    around = asides | {at: Aside.PREAMBLE for at in rows if at < top}
    stop = len(records)
    if is_whole:
        stop, footers = _end(records, below, width, asides)
        around |= dict.fromkeys(footers, Aside.FOOTER)
    return TableLayout(
        Header(1, tuple(fields), "as asked"), width, top, top + 1, stop, asides=around
    )


def _spans(records: Sequence[TextRecord], rows: list[int]) -> list[list[int]]:
    """Rows of each table of a text: a new one begins where the shape of rows changes for good."""
    blocks = _blocks(records, rows)
    spans: list[list[int]] = []
    lead: list[int] = []
    waiting: list[int] = []
    for block in blocks:
        if not _is_table(records, block):
            waiting += block
        elif not spans:
            spans.append(waiting + block)
            waiting = []
        elif len(spans) == 1 and _is_keyed(records, spans[0], block):
            lead, spans, waiting = spans[0] + waiting, [block], []
        elif _is_another(records, spans[-1], block):
            spans.append(waiting + block)
            waiting = []
        else:
            spans[-1] += waiting + block
            waiting = []
    if not spans:
        return [rows]
    spans[-1] += waiting
    spans[0] = lead + spans[0]
    return spans


def _blocks(records: Sequence[TextRecord], rows: list[int]) -> list[list[int]]:
    """Rows without a blank one between them."""
    blocks: list[list[int]] = []
    for at in rows:
        is_next = blocks and not any(
            not records[between].filled for between in range(blocks[-1][-1] + 1, at)
        )
        if is_next:
            blocks[-1].append(at)
        else:
            blocks.append([at])
    return [part for block in blocks for part in _by_shape(records, block)]


def _by_shape(records: Sequence[TextRecord], block: list[int]) -> list[list[int]]:
    """A block cut where rows of one width give way to others under a header of their own."""
    widths = [len(records[at].fields) for at in block]
    width, cut = widths[-1], len(block)
    while cut > 0 and widths[cut - 1] == width:
        cut -= 1
    titles = cut
    while titles > 0 and widths[titles - 1] == 1:
        titles -= 1
    before = set(widths[max(titles - 3, 0) : titles])
    is_change = titles >= 3 and len(block) - cut >= 3 and width > 1 and len(before) == 1
    if not is_change or Counter(widths[:cut]).most_common(1)[0][0] in {1, width}:
        return [block]
    head = find_header([records[at].fields for at in block[cut:]], width)
    return [block[:titles], block[titles:]] if head.rows else [block]


def _is_table(records: Sequence[TextRecord], block: list[int]) -> bool:
    width = common_width([records[at] for at in block])
    count = sum(len(records[at].fields) == width for at in block)
    return width > 1 and count >= 2 and 2 * count >= len(block)


def _is_keyed(records: Sequence[TextRecord], above: list[int], block: list[int]) -> bool:
    """Whether rows above a wider table are pairs of a key and a value, and no table."""
    rows = [records[at].fields for at in above if len(records[at].fields) > 1]
    width = common_width([records[at] for at in block])
    if any(len(row) != 2 for row in rows) or width < 3 or len(rows) > _MAX_PREAMBLE_ROWS:
        return False
    looks = column_looks(rows, 2)
    is_one_kind = len(rows) > 2 and looks[1] not in (Look.TEXT, Look.EMPTY)
    return not is_one_kind and (len(rows) <= 2 or find_header(rows, 2).reason.startswith("0 "))


def _is_another(records: Sequence[TextRecord], table: list[int], block: list[int]) -> bool:
    """Whether a block is a table of its own and not more rows of the one before."""
    width = common_width([records[at] for at in table])
    own_width = common_width([records[at] for at in block])
    fields = [records[at].fields for at in block if len(records[at].fields) == own_width]
    first = fields[0]
    is_named = all(cell and look_of(cell) is Look.TEXT for cell in first)
    if own_width != width:
        return is_named or len(fields) >= 3
    known = {tuple(records[at].fields) for at in table[:20]}
    if tuple(first) in known:
        return False
    looks = column_looks(fields[1:], own_width)
    has_types = any(look not in (Look.TEXT, Look.EMPTY) for look in looks)
    return is_named and has_types and find_header(fields, own_width).rows > 0


def _table(
    records: Sequence[TextRecord],
    span: list[int],
    asides: Mapping[int, Aside],
    *,
    header: str,
    has_end: bool,
) -> TableLayout:
    width = common_width([records[at] for at in span])
    around: dict[int, Aside] = {at: kind for at, kind in asides.items() if kind is Aside.COMMENT}
    top = _top(records, span, width)
    around |= dict.fromkeys(span[:top], Aside.PREAMBLE)
    rows = span[top:]
    width = _named_width(records, rows, width)
    stop: int = span[-1] + 1
    footers: list[int] = []
    if has_end:
        stop, footers = _end(records, rows, width, around)
    around |= dict.fromkeys(footers, Aside.FOOTER)
    body = [at for at in rows if at < stop]
    fields = [records[at].fields for at in body[:400]]
    found = (
        find_header(fields, width) if header == "auto" else Header(0, (None,) * width, "as asked")
    )
    width = len(found.names)
    # Blank rows and comments below the header are read, and counted.
    first = body[found.rows - 1] + 1 if found.rows else body[0]
    if found.rows == 1:
        head = records[body[0]].fields
        repeats = [at for at in body[1:] if records[at].fields == head and width > 1]
        around |= dict.fromkeys(repeats, Aside.REPEATED_HEADER)
    title = next((records[at].fields[0] or "" for at in span[:top] if records[at].filled), "")
    return TableLayout(found, width, body[0], first, stop, title.strip(), around)


def _end(
    records: Sequence[TextRecord], rows: list[int], width: int, asides: Mapping[int, Aside]
) -> tuple[int, list[int]]:
    """`footer_start` with the comments below the rows, so that none of them goes uncounted.

    They are read with the table, or are footers too when it has some.
    """
    stop, footers = footer_start(records, rows, width)
    comments = {at for at, kind in asides.items() if kind is Aside.COMMENT and at >= stop}
    below = list(
        takewhile(
            lambda at: not records[at].filled or at in comments or at in footers,
            range(stop, len(records)),
        )
    )
    told = comments.intersection(below)
    if footers:
        return stop, sorted(told.union(footers))
    return below[-1] + 1 if told else stop, []


def _top(records: Sequence[TextRecord], span: list[int], width: int) -> int:
    """How many leading rows stand above the table."""
    if width < 2:
        return 0
    for position, at in enumerate(span[:_MAX_PREAMBLE_ROWS]):
        record, rest = records[at], span[position + 1 : position + 50]
        if not rest or not _is_above(record, [records[below] for below in rest], width):
            return position
    return 0


def _is_above(record: TextRecord, below: Sequence[TextRecord], width: int) -> bool:
    count = len(record.fields)
    if count == width:
        # `Title,,,,` has as many fields as the table and one value.
        return record.filled == 1 and record.fields[0] is not None and _is_title(below, width)
    # A shorter row of several fields is data, or the header, unless a header follows.
    is_title = count == 1 or (count < width and _has_header(below, width))
    return is_title and any(len(row.fields) == width for row in below)


def _has_header(below: Sequence[TextRecord], width: int) -> bool:
    """Whether the first row of the table's width names its columns."""
    first = next((at for at, row in enumerate(below) if len(row.fields) == width), len(below))
    fields = _fields(below[first:])
    return bool(fields) and find_header(fields, width).rows > 0


def _is_title(below: Sequence[TextRecord], width: int) -> bool:
    """Whether a header follows: a full row of names, and fuller rows than a title's below it."""
    head = next((row for row in below if row.filled > 1), None)
    if head is None or len(head.fields) != width:
        return False
    looks = [look_of(cell) for cell in head.fields if cell]
    names = 2 * looks.count(Look.TEXT) >= width
    fuller = sum(row.filled > 1 for row in below)
    return names and 2 * fuller > len(below) and find_header(_fields(below), width).rows > 0


def _fields(records: Sequence[TextRecord]) -> list[Record]:
    return [record.fields for record in records if record.filled]


def _named_width(records: Sequence[TextRecord], rows: list[int], width: int) -> int:
    """The width of a table by its header: rows that all end in a delimiter have no more columns."""
    named = len(records[rows[0]].fields)
    if width < 2 or named > width:
        return max(named, width)
    last = [records[at].fields[width - 1 :] for at in rows[1:400]]
    is_empty = not any(cell for fields in last for cell in fields)
    return named if named == width - 1 > 1 and is_empty else width
