"""How a delimited file is read, found out from its content: the decision and what spoke for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from kmflow_orchestration.converters.column_names import check_width
from kmflow_orchestration.converters.delimited_dialect import (
    SNIFFED_CHARS,
    Candidate,
    candidates,
    sep_line,
)
from kmflow_orchestration.converters.delimited_layout import Aside, TableLayout, lay_out
from kmflow_orchestration.converters.delimited_options import DelimitedOptions
from kmflow_orchestration.converters.delimited_reading import Reading
from kmflow_orchestration.converters.delimited_records import Format, TextRecord, text_records
from kmflow_orchestration.converters.delimited_tail import tail_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.text_encoding import TextScan, scan_text, text_chunks
from kmflow_orchestration.errors import CorruptInput

# Files up to this size are laid out whole; of larger ones the start and the end are looked at.
WHOLE_BYTES: Final = 1 << 20
# Of up to this size the careful reader is no slower.
CAREFUL_BYTES: Final = 64 << 10
_TAB_SUFFIXES: Final = (".tsv", ".tab")
_SHOWN_CANDIDATES = 5
_LONGEST_PART = 60
_SHOWN_CHARS = 200
_SURE, _LIKELY = 0.25, 0.08


@dataclass(frozen=True, slots=True)
class TableDecision:
    """One table found in a file; rows are counted in the file from 1, 0 is none."""

    part: str
    columns: tuple[str | None, ...]
    header_row: int
    header_rows: int
    header_reason: str
    first_data_row: int
    preamble_rows: int
    footer_rows: int


@dataclass(frozen=True, slots=True)
class DialectDecision:
    """How a file is read and why; `confidence` from 0 to 1 says how far the next best way is off.

    Each of these can be said instead: see the converter's options.
    """

    encoding: str
    encoding_reason: str
    other_encodings: tuple[str, ...]
    delimiter: str
    is_asked: bool
    quote: str
    escape: str
    record_separator: str
    comment: str
    confidence: float
    certainty: str
    tables: tuple[TableDecision, ...]
    candidates: tuple[Candidate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What spoke for each of them, in words."""
        return tuple(_reasons(self))


def decide(source: Source, options: DelimitedOptions) -> tuple[DialectDecision, list[Reading]]:
    """The decision on a file, and a reading for each table in it.

    Raises:
        CorruptInput: no row with a value, too many columns, or a byte that the encoding that was
            asked for does not have.
        ConfigurationError: no encoding of the name that was asked for.
    """
    scan = scan_text(source.path, options.encoding)
    is_whole = scan.size_bytes <= WHOLE_BYTES
    text = _start_of(source, scan, is_whole=is_whole)
    skipped = _skipped_chars(text, options.skip_lines)
    named, length = sep_line(text[skipped:])
    first = skipped + length
    found = _ranked(text[first:], source, options, named, is_whole=is_whole)
    form = found[0].form
    records = list(text_records(text, form, first, is_whole=is_whole))
    layouts = lay_out(records, header=options.header, comment=options.comment, is_whole=is_whole)
    if not layouts:
        raise CorruptInput("no header row: the file holds no value", reason="no_header")
    check_width(max(layout.width for layout in layouts))
    before = text.count("\n", 0, first) + text.count("\r", 0, first) - text.count("\r\n", 0, first)
    plan = _Plan(source, scan, text, form, records, before, options, is_whole)
    readings = plan.readings(layouts)
    return _decision(plan, found, layouts, readings), readings


def _start_of(source: Source, scan: TextScan, *, is_whole: bool) -> str:
    pieces = text_chunks(source.path, scan.encoding, chars=WHOLE_BYTES)
    return "".join(pieces) if is_whole else "".join(islice(pieces, 1))


def _skipped_chars(text: str, lines: int) -> int:
    at = 0
    for match in islice(re.finditer(r"\r\n|\n|\r", text), lines):
        at = match.end()
    return at


def _ranked(
    text: str, source: Source, options: DelimitedOptions, named: str, *, is_whole: bool
) -> list[Candidate]:
    is_sample = is_whole and len(text) <= SNIFFED_CHARS
    sample = text[:SNIFFED_CHARS]
    return candidates(
        sample,
        is_whole=is_sample,
        delimiter=options.delimiter or named,
        quote=options.quote,
        escape=options.escape,
        likely="\t" if source.suffix in _TAB_SUFFIXES else "",
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the readings of one file are made from."""

    source: Source
    scan: TextScan
    text: str
    form: Format
    records: Sequence[TextRecord]
    lines_before: int
    options: DelimitedOptions
    is_whole: bool

    def readings(self, layouts: Sequence[TableLayout]) -> list[Reading]:
        found, begin = [], 0
        for layout, part in zip(layouts, _parts(layouts), strict=True):
            found.append(self._reading(layout, part, begin))
            footers = (at for at, kind in layout.asides.items() if kind is Aside.FOOTER)
            begin = max(layout.stop, *(at + 1 for at in footers), 0)
        return found

    def _reading(self, layout: TableLayout, part: str, begin: int) -> Reading:
        """`begin` is the first record that no table before has to do with."""
        start_byte = self._byte_of(layout.first)
        stop_byte, footers = self._end(layout)
        header: tuple[str | None, ...] = ()
        if layout.header.rows == 1 and layout.width > 1:
            header = tuple(self.records[layout.top].fields)
        preamble = sorted(at for at, kind in layout.asides.items() if kind is Aside.PREAMBLE)
        return Reading(
            self.source.path,
            self.scan,
            self.form,
            layout.header.names,
            start_byte,
            stop_byte,
            first_row=layout.first + 1 + self.lines_before,
            part=part,
            comment=self._comment(layout),
            header_fields=header,
            footer_rows=len(footers),
            footer_text=footers[0] if footers else "",
            preamble_rows=len(preamble),
            comments_above=sum(
                kind is Aside.COMMENT and begin <= at < layout.first
                for at, kind in layout.asides.items()
            ),
            preamble_text=" | ".join(map(self._line, preamble))[:_SHOWN_CHARS],
            null=self.options.null,
            decimal=self.options.decimal,
            thousands=self.options.thousands,
            date_order=self.options.date_order,
            bad_lines=self.options.bad_lines,
            is_careful=self.scan.size_bytes <= CAREFUL_BYTES or bool(self.form.escape),
        )

    def _line(self, index: int) -> str:
        """A record as it is written, on one line."""
        record = self.records[index]
        return " ".join(self.text[record.start : record.end].split())

    def _byte_of(self, index: int) -> int:
        """Offset of a record in the file as UTF-8."""
        if index >= len(self.records):
            end = self.records[-1].end if self.records else 0
            # The readers end the last line where the file does not: that is no further row.
            is_open = not self.text[:end].endswith(("\n", "\r"))
            return len(self.text[:end].encode("utf-8", "surrogatepass")) + is_open
        return len(self.text[: self.records[index].start].encode("utf-8", "surrogatepass"))

    def _end(self, layout: TableLayout) -> tuple[int, list[str]]:
        """Offset behind the table's last row (-1: the end), and the footers that follow."""
        footers = [at for at, kind in layout.asides.items() if kind is Aside.FOOTER]
        if self.is_whole:
            is_at_end = layout.stop >= len(self.records)
            texts = [self.records[at].fields[0] or "" for at in sorted(footers)]
            return -1 if is_at_end else self._byte_of(layout.stop), texts
        tail = tail_of(self.source.path, self.scan, self.form, layout.width)
        return (tail.stop_byte, list(tail.footers)) if tail else (-1, [])

    def _comment(self, layout: TableLayout) -> str:
        if self.options.comment is not None:
            return self.options.comment
        comments = (at for at, kind in layout.asides.items() if kind is Aside.COMMENT)
        return next((self._mark(at) for at in comments), "")

    def _mark(self, at: int) -> str:
        text = (self.records[at].fields[0] or "").lstrip()
        return text[:2] if text[:2] in ("//", "--") else text[:1]


def _parts(layouts: Sequence[TableLayout]) -> list[str]:
    """Names of tables: their titles where these are short and differ, else their numbers."""
    if len(layouts) == 1:
        return [""]
    titles = [layout.title if len(layout.title) <= _LONGEST_PART else "" for layout in layouts]
    return [
        title if title and titles.count(title) == 1 else f"table_{number}"
        for number, title in enumerate(titles, start=1)
    ]


def _decision(
    plan: _Plan,
    found: Sequence[Candidate],
    layouts: Sequence[TableLayout],
    readings: Sequence[Reading],
) -> DialectDecision:
    best = found[0]
    others = [other for other in found if other.form.delimiter != best.form.delimiter]
    margin = best.score - others[0].score if others else best.score
    certainty = "sure" if margin >= _SURE else "likely" if margin >= _LIKELY else "a guess"
    tables = tuple(
        TableDecision(
            reading.part,
            layout.header.names,
            layout.top + 1 + plan.lines_before if layout.header.rows else 0,
            layout.header.rows,
            layout.header.reason,
            reading.first_row,
            reading.preamble_rows,
            reading.footer_rows,
        )
        for layout, reading in zip(layouts, readings, strict=True)
    )
    return DialectDecision(
        plan.scan.encoding,
        plan.scan.encoding_reason,
        plan.scan.other_encodings,
        best.form.delimiter,
        bool(plan.options.delimiter),
        best.form.quote,
        best.form.escape,
        _separator(plan.text),
        readings[0].comment,
        round(min(max(margin, 0.0), 1.0), 3),
        certainty,
        tables,
        tuple(found[:_SHOWN_CANDIDATES]),
    )


def _reasons(found: DialectDecision) -> Iterator[str]:
    others = f"; could be {', '.join(found.other_encodings)}" if found.other_encodings else ""
    yield f"encoding {found.encoding}: {found.encoding_reason}{others}"
    best, *less = found.candidates
    yield f"delimiter {_named(best)}{', as asked' if found.is_asked else ''}: {_scored(best)}"
    for other in less:
        if other.form.delimiter != best.form.delimiter:
            yield f"next best delimiter {_named(other)}: {_scored(other)}"
            break
    marks = {"quote": found.quote, "escape": found.escape, "comment": found.comment}
    used = [f"{name} {mark}" for name, mark in marks.items() if mark]
    yield f"records end in {found.record_separator!r}; {', '.join(used) or 'no quotes'}"
    for table in found.tables:
        yield _told(table)


def _named(candidate: Candidate) -> str:
    return repr(candidate.form.delimiter) if candidate.form.delimiter else "none"


def _scored(candidate: Candidate) -> str:
    parts = f"rows {candidate.pattern:.2f}, fields {candidate.tidiness:.2f}"
    return f"{candidate.reason} (score {candidate.score:.2f}: {parts})"


def _told(table: TableDecision) -> str:
    name = f"table {table.part}" if table.part else "table"
    header = f"header in row {table.header_row}" if table.header_rows else "no header"
    aside = [
        f"{count} rows {where}"
        for count, where in ((table.preamble_rows, "above"), (table.footer_rows, "below"))
        if count
    ]
    around = f"; {' and '.join(aside)} it left out" if aside else ""
    width = len(table.columns)
    return (
        f"{name} of {width} columns: {header} ({table.header_reason}), "
        f"data from row {table.first_data_row}{around}"
    )


def _separator(text: str) -> str:
    pairs = text.count("\r\n")
    counts = {"\r\n": pairs, "\n": text.count("\n") - pairs, "\r": text.count("\r") - pairs}
    used = [name for name, count in counts.items() if count]
    return used[0] if len(used) == 1 else "mixed" if used else ""
