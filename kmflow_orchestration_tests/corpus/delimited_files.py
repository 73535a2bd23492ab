"""Polluted delimited files with the cells they hold, made from a seed.

The taxonomy is Pollock's (Vitagliano et al., A data loading benchmark, VLDB 2023): pollutions of
the file, of its records and of its fields, one at a time and several together, over many dialects.
Each file has one right reading; what nobody could tell from the content is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from kmflow_orchestration_tests.corpus.delimited_draft import Draft, Truth, make_draft
from kmflow_orchestration_tests.corpus.field_pollutions import FIELD
from kmflow_orchestration_tests.corpus.record_pollutions import FILE, RECORD

ENCODINGS: Final = ("utf-8", "utf-16", "cp1252", "cp1250", "cp1251", "shift_jis", "gb18030")
Row = Sequence[str | None]
DELIMITERS: Final = (",", ";", "\t", "|", ":", "~", "^")


@dataclass(frozen=True)
class DelimitedFile:
    """A generated file; `lines_above` is how many lines stand above the header."""

    name: str
    content: bytes
    tables: tuple[Truth, ...]
    pollutions: tuple[str, ...]
    delimiter: str
    quote: str
    escape: str
    encoding: str
    lines_above: int
    has_comments: bool


# Those that add columns or take rows come before those that change them.
_FIRST: Final = ("many_columns", "few_rows", "years_as_names")
_ALL: Final = FIELD | RECORD | FILE
POLLUTIONS: Final = {name: _ALL[name] for name in (*_FIRST, *_ALL)}
_ABOVE: Final = (
    "preamble", "preamble_and_blank", "delimited_preamble", "prose_preamble", "keyed_preamble",
    "comments", "comments_with_delimiters",
)  # fmt: skip
_TABLES: Final = ("two_tables", "two_titled_tables")
_HEADERS: Final = ("no_header", "grouped_header", "unit_header")
_FOOTERS: Final = ("footer", "footer_after_blank", "delimited_footer", "prose_footer")
_ROWS: Final = ("short_row", "long_row", "trailing_delimiters", "unescaped_quotes", "stray_quote",
                "blanks_before_quotes")  # fmt: skip
# Of these at most one goes into a file: together they have no one reading.
_APART: Final = (
    ("inner_line_ends", "carriage_returns"),
    ("inner_line_ends", "mixed_line_ends"),
    ("inner_line_ends", "unescaped_quotes", "stray_quote"),
    (*_HEADERS, "repeated_header", "sep_line", *_ABOVE, *_TABLES),
    ("sep_line", *_ABOVE),
    (*_TABLES, *_FOOTERS, *_HEADERS, "trailing_delimiters"),
    ("single_quotes", "apostrophes", "backslash_escape", "inner_quotes", "unescaped_quotes",
     "stray_quote", "blanks_before_quotes"),
    (*_ROWS, "all_quoted"),
    ("few_rows", *_HEADERS, *_TABLES, *_ROWS, "footer", "delimited_footer", "comments",
     "repeated_header", "blank_records", "single_quotes"),
    ("years_as_names", *_HEADERS),
    ("nameless_columns", "same_names", "repeated_header", *_HEADERS),
    ("nameless_columns", "same_names", "few_rows"),
    ("delimited_footer", "missing_values"),
    ("all_quoted", "delimited_footer"),
    ("decimal_commas", "thousands", "currency"),
)  # fmt: skip


def generated(number: int) -> DelimitedFile:
    """The file of that number: the first ones have one pollution each, the others up to four."""
    random = Random(f"delimited {number}")
    encoding = random.choices(ENCODINGS, weights=(8, 1, 2, 1, 1, 1, 1))[0]
    draft = make_draft(random, encoding)
    draft.encoding = encoding
    draft.delimiter = random.choices(DELIMITERS, weights=(8, 6, 3, 3, 1, 1, 1))[0]
    names = _pollutions(random, number, draft)
    for name in names:
        POLLUTIONS[name](draft)
    content = draft.content()
    return DelimitedFile(
        f"{number:05d}_{'_and_'.join(names) or 'clean'}.csv",
        content,
        (draft.truth(), *(table.truth() for table in draft.more)),
        tuple(names),
        draft.delimiter,
        draft.quote,
        draft.escape,
        encoding,
        len(draft.above),
        any(name.startswith("comments") for name in names),
    )


def _pollutions(random: Random, number: int, draft: Draft) -> list[str]:
    order = list(POLLUTIONS)
    if number < 10 * len(order):
        names = [order[number % len(order)]]
    else:
        names = random.sample(order, random.randint(2, 4))
    kept: list[str] = []
    # Those of fields change cells; those of records and files are put around them.
    for name in sorted(names, key=order.index):
        is_apart = any(name in group and set(kept) & set(group) for group in _APART)
        if not is_apart and _fits(name, draft):
            kept.append(name)
    return kept


def _fits(name: str, draft: Draft) -> bool:
    if name == "byte_order_mark":
        return draft.encoding == "utf-8"
    if draft.delimiter == ":" and name in ("footer", "sep_line", "prose_footer"):
        return False
    if name == "sep_line":
        return draft.encoding != "utf-16"
    return True


def difference(file: DelimitedFile, tables: Sequence[tuple[Sequence[str], Sequence[Row]]]) -> str:
    """What a reader's tables, names and rows of text each, have otherwise than the file; or ''.

    NULL and empty text count as the same, and so do surplus columns without a value.
    """
    if len(tables) != len(file.tables):
        return f"{len(tables)} tables for {len(file.tables)}"
    pairs = zip(tables, file.tables, strict=True)
    return next(filter(None, (_difference(*found, truth, file) for found, truth in pairs)), "")


def _difference(
    names: Sequence[str], rows: Sequence[Row], truth: Truth, file: DelimitedFile
) -> str:
    width = len(truth.rows[0])
    if truth.header is not None and tuple(names[:width]) != truth.header:
        return f"names {names} for {truth.header}"
    if len(rows) != len(truth.rows):
        return f"{len(rows)} rows for {len(truth.rows)}"
    for found, wanted in zip(rows, truth.rows, strict=True):
        if [cell or "" for cell in found[:width]] != [cell or "" for cell in wanted]:
            return f"row {found} for {wanted}"
        if any(found[width:]) and "long_row" not in file.pollutions:
            return f"row {found} for {wanted}"
    return ""
