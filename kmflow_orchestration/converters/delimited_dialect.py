"""How a delimited file is written: its delimiter, its header, and single records of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from kmflow_orchestration.errors import CorruptInput

Record = list[str | None]

SNIFFED_CHARS: Final = 1 << 20
MAX_COLUMNS: Final = 16_384
# Of delimiters that fit equally well the rarest in prose and numbers wins.
_DELIMITERS: Final = ("\t", "|", ";", ",")
_SNIFFED_RECORDS = 2000
_SEP_LINE = re.compile(r'\s*"?sep=([^\w\s]|\t)"?[ \t]*(?:\r\n|\n|\r|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`lines_before` counts the blank lines, and Excel's `sep=` line, above the header.

    `agreement` is the share of sampled records with as many fields as most have, `width` that
    number of fields.
    """

    delimiter: str
    header: tuple[str | None, ...]
    lines_before: int
    width: int
    agreement: float
    records_sampled: int


def iter_records(text: str, delimiter: str, *, quoting: bool = True) -> Iterator[Record]:
    """Records of a text: an unquoted empty field is None, a quoted one ''.

    Reads as Arrow's reader does: a quote counts only at the start of a field, a doubled one stands
    for one, what follows a closing quote belongs to the field; a blank line is one None.
    """
    pattern = _field_pattern(delimiter, quoting)
    record: Record = []
    for match in pattern.finditer(text):
        record.append(_field(match))
        end = match["end"]
        if end != delimiter:
            is_after_last_line = not end and record == [None]
            if not is_after_last_line:
                yield record
            if not end:
                return
            record = []


@cache
def _field_pattern(delimiter: str, quoting: bool) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    plain = rf"(?P<plain>[^{mark}\r\n]*)"
    quoted = (
        rf'(?:"(?P<quoted>(?:[^"]|"")*)(?:"(?P<after>[^{mark}\r\n]*)|$))' if quoting else "(?!)"
    )
    return re.compile(rf"(?:{quoted}|{plain})(?P<end>{mark}|\r\n|\n|\r|\Z)")


def _field(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    if groups.get("quoted") is not None:
        return str(groups["quoted"]).replace('""', '"') + (groups["after"] or "")
    return match["plain"] or None


def sniff(text: str, *, is_whole: bool, expected: str = "") -> Dialect:
    """The dialect of a file whose first characters are `text`.

    `is_whole` says that nothing follows; `expected` is the delimiter to take when a file shows
    none.

    Raises:
        CorruptInput: no record with a value, or more than 16 384 columns.
    """
    marked = _SEP_LINE.match(text)
    if marked:
        return _dialect(text, marked[1], is_whole=is_whole, skipped=1)
    order = sorted(_DELIMITERS, key=lambda mark: mark != expected)
    dialects = [_dialect(text, delimiter, is_whole=is_whole) for delimiter in order]
    return max(dialects, key=_fitness)


def _fitness(dialect: Dialect) -> tuple[bool, bool, float, int]:
    has_fields = dialect.width > 1 or len(dialect.header) > 1
    fits_header = len(dialect.header) == dialect.width
    return has_fields, fits_header, round(dialect.agreement, 2), dialect.width


def _dialect(text: str, delimiter: str, *, is_whole: bool, skipped: int = 0) -> Dialect:
    records = list(islice(iter_records(text, delimiter), _SNIFFED_RECORDS))
    if not is_whole and 1 < len(records) < _SNIFFED_RECORDS:
        records.pop()
    before = skipped
    while before < len(records) and not any(records[before]):
        before += 1
    if before >= len(records):
        raise CorruptInput("no header row: the file holds no value", reason="no_header")
    header = records[before]
    if len(header) > MAX_COLUMNS:
        raise CorruptInput(f"{len(header)} columns, at most {MAX_COLUMNS} are taken")
    widths = Counter(len(record) for record in records[before:] if any(record))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return Dialect(delimiter, tuple(header), before, width, count / widths.total(), len(records))
