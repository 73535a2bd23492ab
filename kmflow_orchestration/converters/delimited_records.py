"""Delimited text cut into records and fields, as people and programs really write them.

Stricter readers agree with this one wherever a file keeps the rules; where it does not, nothing is
swallowed: a quote that closes nothing is a character like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

Record = list[str | None]

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
# A quoted field may run over lines; one that is longer is taken for a stray quote.
LONGEST_QUOTED_CHARS: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Format:
    """How fields are told apart: '' for none of a kind. Without a delimiter a line is a field."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One record and where it stands in its text, line end included.

    `is_quoted` says that a field of it stood in quotes; `strays` counts quotes that stand where
    they would open or close a field, and do not. A blank line is one None.
    """

    fields: Record
    start: int
    end: int
    is_quoted: bool = False
    strays: int = 0

    @property
    def filled(self) -> int:
        """Number of fields with a value."""
        return len(self.fields) - self.fields.count(None)

    @property
    def is_blank(self) -> bool:
        return self.fields == [None]


def text_records(
    text: str, form: Format, start: int = 0, *, is_whole: bool = True
) -> Iterator[TextRecord]:
    """Records of a text from `start` on: an unquoted empty field is None, a quoted one ''.

    A text that is not whole ends before the first record that may go on after it.
    """
    at, length = start, len(text)
    quote, escape = form.quote, form.escape
    pattern = _field_pattern(form)
    while at < length:
        found = _LINE_END.search(text, at)
        if found is None:
            stop = end = length
        else:
            stop, end = found.span()
        if not is_whole and end >= length:
            return
        line = text[at:stop]
        if (quote and quote in line) or (escape and escape in line):
            record = _marked_record(text, at, form, pattern)
            is_open = length - at < LONGEST_QUOTED_CHARS and _is_open(text, record, form)
            if not is_whole and (record.end >= length or is_open):
                return
        else:
            fields = line.split(form.delimiter) if form.delimiter else [line]
            record = TextRecord([field or None for field in fields], at, end)
        yield record
        at = record.end


def stream_records(chunks: Iterable[str], form: Format) -> Iterator[TextRecord]:
    """Records of a text that comes in pieces; positions count from its start."""
    buffer, before = "", 0
    for chunk in chunks:
        buffer += chunk
        end = 0
        for record in text_records(buffer, form, is_whole=False):
            end = record.end
            yield _moved(record, before)
        buffer, before = buffer[end:], before + end
    for record in text_records(buffer, form):
        yield _moved(record, before)


def _moved(record: TextRecord, by: int) -> TextRecord:
    start, end = record.start + by, record.end + by
    return TextRecord(record.fields, start, end, record.is_quoted, record.strays)


def _is_open(text: str, record: TextRecord, form: Format) -> bool:
    """Whether a field begins with a quote that closes nowhere in the text so far."""
    if not form.quote or not record.strays:
        return False
    opened = form.delimiter + form.quote
    line = text[record.start : record.end]
    return line.lstrip(" ").startswith(form.quote) or opened in line


def _marked_record(text: str, start: int, form: Format, pattern: re.Pattern[str]) -> TextRecord:
    """A record with quotes or escapes in its first line."""
    fields: Record = []
    strays, is_quoted, end = 0, False, start
    for match in pattern.finditer(text, start):
        quoted = match["quoted"]
        if quoted is None:
            plain = match["plain"]
            strays += bool(form.quote) and plain.lstrip(" ").startswith(form.quote)
            fields.append(_unescaped(plain, form) or None)
        else:
            is_quoted = True
            doubled = form.quote * 2
            inner = quoted.replace(doubled, "") if form.quote in quoted else quoted
            escaped = inner.count(form.escape + form.quote) if form.escape else 0
            strays += inner.count(form.quote) - escaped
            fields.append(_unescaped(quoted.replace(doubled, form.quote), form))
        end = match.end()
        if not form.delimiter or match["end"] != form.delimiter:
            break
    return TextRecord(fields, start, end, is_quoted, strays)


def _unescaped(text: str, form: Format) -> str:
    if not form.escape or form.escape not in text:
        return text
    return _escape_pattern(form).sub(r"\1", text)


@cache
def _escape_pattern(form: Format) -> re.Pattern[str]:
    """Only what would mean something else is escaped: a path of backslashes stays as it is."""
    marks = "".join(map(re.escape, {form.delimiter, form.quote, form.escape, "\n", "\r"} - {""}))
    return re.compile(rf"{re.escape(form.escape)}([{marks}])")


@cache
def _field_pattern(form: Format) -> re.Pattern[str]:
    """One field and what ends it.

    Within quotes a quote that neither ends the field nor is doubled is text, unless it stands
    where a field begins: then it is the opening one that was astray. What repeats possessively is
    atomic: before Python 3.11.5 it went wrong where it could be matched in several ways.
    """
    mark = re.escape(form.delimiter)
    ends = rf"{mark}|\r\n|\n|\r|\Z" if mark else r"\r\n|\n|\r|\Z"
    skip = re.escape(form.escape) + "." if form.escape else ""
    stop = (re.escape(form.delimiter) if form.delimiter else "") + r"\r\n"
    escape_in_class = re.escape(form.escape) if form.escape else ""
    plain = rf"[^{stop}]*+"
    if skip:
        plain = rf"(?:(?>{skip}|[^{stop}{escape_in_class}]++|{escape_in_class}))*+"
    if not form.quote:
        return re.compile(rf"(?P<quoted>(?!))?(?P<plain>{plain})(?P<end>{ends})", re.DOTALL)
    quote = re.escape(form.quote)
    blanks = "[ ]*" if form.delimiter != " " else ""
    closing = rf"{quote}{blanks}(?={ends})"
    inner = [rf"[^{quote}{escape_in_class}]++", quote * 2]
    if skip:
        inner.insert(1, rf"{skip}")
    inner.append(rf"(?<![{stop}]){quote}(?!{blanks}(?:{ends}))")
    quoted = rf"{blanks}{quote}(?P<quoted>(?:(?>{'|'.join(inner)}))*+){closing}"
    return re.compile(rf"(?:{quoted}|(?P<plain>{plain}))(?P<end>{ends})", re.DOTALL)
