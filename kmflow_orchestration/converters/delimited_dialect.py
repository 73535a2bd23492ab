"""Which delimiter, quote and escape a text is written with: whole parses are compared.

Each candidate parses the sample. Its score is how regular the rows come out (pattern), times how
much the fields look like single values (tidiness): the data consistency measure of van den Burg et
al. (2019), with rows compared to their neighbours, so that lines around a table cost little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from kmflow_orchestration.converters.cell_kinds import Look, look_of, tidiness
from kmflow_orchestration.converters.delimited_records import Format, TextRecord, text_records

SNIFFED_CHARS: Final = 1 << 18
SNIFFED_RECORDS: Final = 2000
# How likely a delimiter is before a file was seen; of equals the rarest in prose comes first.
DELIMITERS: Final = {"\t": 1.0, "|": 1.0, ";": 1.0, ",": 1.0, "~": 0.95, "^": 0.95, ":": 0.8}
QUOTES: Final = ('"', "'")
_SCORED_FIELDS = 4000
_SEP_LINE: Final = re.compile(r'\s*"?sep=([^\w\s]|\t)"?[ \t]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
_SINGLE_COLUMN = 0.45
_FEW_ROWS = 3
_EVERYDAY: Final = ("\t", "|", ";", ",")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to read a sample, and how well it fits; scores go from 0 to 1.

    `width` is the commonest number of fields, `agreement` the share of rows that have it.
    """

    form: Format
    score: float
    pattern: float
    tidiness: float
    width: int
    agreement: float
    reason: str = ""


def sep_line(text: str) -> tuple[str, int]:
    """The delimiter a spreadsheet's `sep=` line names, and the characters it takes; or '' and 0."""
    found = _SEP_LINE.match(text)
    return (found[1], found.end()) if found else ("", 0)


def candidates(
    text: str,
    *,
    is_whole: bool,
    delimiter: str = "",
    quote: str | None = None,
    escape: str | None = None,
    likely: str = "",
) -> list[Candidate]:
    """Ways to read a text, the best first; what is given is not looked for.

    `likely` is a delimiter the file's name speaks for.
    """
    found = [
        _candidate(text, form, is_whole=is_whole, likely=likely)
        for form in _formats(text, delimiter, quote, escape)
    ]
    return sorted(found, key=lambda candidate: -round(candidate.score, 4))


def table_candidate(text: str, *, is_whole: bool) -> Candidate | None:
    """The way to read a text of unknown kind as a table; None when it looks like none.

    Of everyday delimiters only: colons and the like line up in prose too.
    """
    found = [
        candidate
        for mark in _EVERYDAY
        if mark in text
        for candidate in candidates(text, is_whole=is_whole, delimiter=mark)[:1]
    ]
    best = max(found, key=lambda candidate: candidate.score, default=None)
    if best is None or best.width < 2:
        return None
    records = sampled_records(text, best.form, is_whole=is_whole)
    rows = [record for record in records if record.filled]
    is_table = len(rows) > 1 and len(rows[0].fields) == best.width
    return best if is_table else None


def _formats(text: str, delimiter: str, quote: str | None, escape: str | None) -> Iterator[Format]:
    delimiters = [delimiter] if delimiter else [mark for mark in DELIMITERS if mark in text]
    if not delimiter:
        delimiters.append("")
    for mark in delimiters:
        quotes = [quote] if quote is not None else [q for q in QUOTES if _has_quoted(text, mark, q)]
        for sign in quotes or ['"']:
            yield from (Format(mark, sign, e) for e in _escapes(text, mark, sign, escape))


def _escapes(text: str, delimiter: str, quote: str, escape: str | None) -> list[str]:
    if escape is not None:
        return [escape]
    marks = [mark for mark in (quote, delimiter) if mark]
    is_used = any("\\" + mark in text for mark in marks)
    return ["", "\\"] if is_used else [""]


def _has_quoted(text: str, delimiter: str, quote: str) -> bool:
    """Whether some field both begins and ends with a quote."""
    if quote not in text:
        return False
    mark = re.escape(delimiter) if delimiter else ""
    opened = rf"(?:\A|[\r\n{mark}])[ ]*{quote}"
    closed = rf"{quote}[ ]*(?:\Z|[\r\n{mark}])"
    return bool(re.search(opened, text) and re.search(closed, text))


def sampled_records(text: str, form: Format, *, is_whole: bool) -> list[TextRecord]:
    """The first records of a text that may go on."""
    return list(islice(text_records(text, form, is_whole=is_whole), SNIFFED_RECORDS))


def _candidate(text: str, form: Format, *, is_whole: bool, likely: str) -> Candidate:
    rows = [row for row in sampled_records(text, form, is_whole=is_whole) if row.filled]
    if not rows:
        return Candidate(form, 0.0, 0.0, 0.0, 1, 0.0, "no row with a value")
    widths = Counter(len(row.fields) for row in rows)
    width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[1], item[0]))
    agreement = count / len(rows)
    if width < 2:
        return _single_column(rows, form)
    pattern = (0.4 * agreement + 0.6 * _regularity(rows)) * (0.85 + 0.15 * (1 - 1 / width))
    tidy = _tidiness(rows)
    strays = sum(row.strays for row in rows) / len(rows)
    score = pattern * tidy * DELIMITERS.get(form.delimiter, 1.0) * (1 - 0.3 * min(strays, 1.0))
    score *= 1.05 if form.delimiter == likely else 1.0
    # A second quote or an escape has to earn its place.
    score *= 0.98 if form.escape else 1.0
    reason = f"{count} of {len(rows)} rows have {width} fields"
    if strays:
        reason += f", {sum(row.strays for row in rows)} quotes astray"
    return Candidate(form, min(score, 1.0), pattern, tidy, width, agreement, reason)


def _regularity(rows: Sequence[TextRecord]) -> float:
    """Share of rows as wide as a neighbour, weighted down by rows of one field."""
    if len(rows) == 1:
        return 1.0
    widths = [len(row.fields) for row in rows]
    pairs = zip([0, *widths], widths, [*widths[1:], 0], strict=False)
    share = sum(at > 1 and at in (left, right) for left, at, right in pairs) / len(rows)
    if len(rows) > _FEW_ROWS or widths[0] < 2:
        return share
    # So few rows may all be ragged; a first one of several fields speaks for columns.
    return max(share, 0.5 * sum(width > 1 for width in widths) / len(rows))


def _tidiness(rows: Sequence[TextRecord]) -> float:
    fields = (field for row in rows if len(row.fields) > 1 for field in row.fields if field)
    scores = [tidiness(field) for field in islice(fields, _SCORED_FIELDS)]
    return sum(scores) / len(scores) if scores else 0.5


def _single_column(rows: Sequence[TextRecord], form: Format) -> Candidate:
    if form.delimiter:
        return Candidate(form, 0.0, 0.0, 0.0, 1, 1.0, "most rows have a single field")
    fields = [row.fields[0] or "" for row in rows]
    whole = [look_of(field) in (Look.NUMBER, Look.TIME) for field in fields[1:]]
    tidy = sum(map(tidiness, fields[:_SCORED_FIELDS])) / len(fields[:_SCORED_FIELDS])
    if len(whole) > 1 and all(whole) and look_of(fields[0]) is Look.TEXT:
        # Times, dates and decimals hold delimiters; a header without one tells them apart.
        first = fields[0]
        if not any(mark in first for mark in DELIMITERS):
            return Candidate(form, 0.99, 1.0, 1.0, 1, 1.0, "each line is one number, date or time")
    score = _SINGLE_COLUMN * tidy
    return Candidate(form, score, _SINGLE_COLUMN, tidy, 1, 1.0, "each line as one field")
