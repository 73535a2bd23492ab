"""What a reader of a delimited table should know of it, in words."""

from __future__ import annotations

from collections.abc import Iterator

from kmflow_orchestration.converters.delimited_reading import Counts, Reading
from kmflow_orchestration.converters.interface import (
    AMBIGUOUS,
    RESCUED_DATA,
    ColumnFact,
    ConversionWarning,
)
from kmflow_orchestration.converters.text_encoding import encoding_warnings
from kmflow_orchestration.converters.written_values import ColumnReading


def table_warnings(reading: Reading, counts: Counts) -> Iterator[ConversionWarning]:
    """About rows and bytes."""
    yield from encoding_warnings(reading.scan)
    if reading.preamble_rows:
        text = f"{reading.preamble_rows} rows above the table left out: {reading.preamble_text}"
        yield ConversionWarning("preamble", text)
    if counts.strays:
        text = f"{counts.strays} quotes open or close nothing: kept as text"
        yield ConversionWarning("open_quote", text)
    if counts.padded:
        text = f"{counts.padded} rows lack fields: filled with NULL"
        yield ConversionWarning("short_rows", text, _at(counts, "padded"))
    if counts.rescued:
        text = f"{counts.rescued} rows have surplus fields: kept in {RESCUED_DATA}"
        yield ConversionWarning("surplus_fields", text, _at(counts, "rescued"))
    if counts.rejected:
        text = f"{counts.rejected} rows have too few or too many fields: left out"
        yield ConversionWarning("rejected_rows", text, _at(counts, "rejected"))
    if counts.blank:
        yield ConversionWarning("blank_rows", f"{counts.blank} rows without any value skipped")
    comments = counts.comments + reading.comments_above
    if comments:
        text = f"{comments} comments beginning with {reading.comment} left out"
        yield ConversionWarning("comments", text, _at(counts, "comments"))
    if counts.headers:
        text = f"{counts.headers} rows are the header once more: left out"
        yield ConversionWarning("repeated_header", text, _at(counts, "headers"))
    if reading.footer_rows:
        first = reading.footer_text[:80]
        text = f"{reading.footer_rows} rows below the table left out, the first: {first}"
        yield ConversionWarning("footer", text)


def _at(counts: Counts, kind: str) -> str:
    return f"row {counts.first[kind]}" if kind in counts.first else ""


def reading_warning(
    fact: ColumnFact, reading: ColumnReading | None, counts: Counts
) -> ConversionWarning | None:
    """About a column of numbers or dates as people write them."""
    if reading is None or not (reading.name or reading.possible):
        return None
    name = fact.source_name or fact.name
    if reading.form is None:
        rows = counts.written - fact.null_count
        ways = " and as ".join(reading.possible)
        text = f"column {name} stays text: all its {rows} values can be read as {ways}"
        if reading.example:
            text += f", which differ on {reading.example[:40]}"
        return ConversionWarning(AMBIGUOUS, text, f"column {name}")
    text = f"column {name} was read as {reading.name}"
    if reading.decided_by:
        text += f"; row {reading.decided_by} ruled out the last other way"
    return ConversionWarning("written_values", text, f"column {name}")
