"""Pollutions of fields: what stands in them, and how it is quoted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kmflow_orchestration_tests.corpus.delimited_draft import Draft, Pollution


def _text_columns(draft: Draft) -> list[int]:
    words = ("city", "name", "note", "status")
    return [at for at, name in enumerate(draft.header) if name.split("_")[-1] in words]


def _text_column(draft: Draft) -> int:
    return _text_columns(draft)[0]


def _put(draft: Draft, make: Callable[[str], str], share: float = 0.4) -> None:
    """Change some cells of one text column, but for rows written otherwise."""
    at = draft.random.choice(_text_columns(draft))
    for row in draft.rows:
        value = row[at] if at < len(row) else None
        if value and draft.random.random() < share:
            row[at] = make(value)
    first = draft.rows[0]
    first[at] = make(first[at] or "x")


def _inner_delimiters(draft: Draft) -> None:
    _put(draft, lambda value: f"{value}{draft.delimiter} {draft.word()}")


def _inner_quotes(draft: Draft) -> None:
    _put(draft, lambda value: f"the {draft.quote}{value}{draft.quote} one")


def _inner_line_ends(draft: Draft) -> None:
    _put(draft, lambda value: f"{value}\n{draft.word()}")


def _backslash_escape(draft: Draft) -> None:
    draft.escape = "\\"
    _put(draft, lambda value: f"say {draft.quote}{value}{draft.quote}{draft.delimiter} twice")


def _single_quotes(draft: Draft) -> None:
    draft.quote = "'"
    _put(draft, lambda value: f"{value}{draft.delimiter} {draft.word()}")


def _apostrophes(draft: Draft) -> None:
    _put(draft, lambda value: f"{draft.word()}'s {value}")


def _unescaped_quotes(draft: Draft) -> None:
    """Quotes within a quoted field that nobody doubled."""
    at = draft.some_row()
    row = draft.rows[at]
    position = _text_column(draft)
    row[position] = f"the {draft.quote}{draft.word()}{draft.quote} one"
    cells = [draft.cell(cell) for cell in row]
    cells[position] = f"{draft.quote}{row[position]}{draft.quote}"
    draft.texts[at] = draft.delimiter.join(cells)


def _stray_quote(draft: Draft) -> None:
    """A quote that opens a field and is never closed; inches, for one."""
    at = draft.some_row()
    row = draft.rows[at]
    position = _text_column(draft)
    row[position] = f"{draft.random.randint(2, 40)}{draft.quote} pipe"
    cells = [draft.cell(cell) for cell in row]
    cells[position] = row[position] or ""
    draft.texts[at] = draft.delimiter.join(cells)


def _all_quoted(draft: Draft) -> None:
    draft.quotes_all = True


def _null_words(draft: Draft) -> None:
    _put(draft, lambda _: draft.random.choice(["N/A", "NULL", "-", "n.a."]))


def _decimal_commas(draft: Draft) -> None:
    for at, name in enumerate(draft.header):
        if name in ("amount", "share"):
            for row in draft.rows:
                row[at] = (row[at] or "").replace(".", ",") if at < len(row) else None


def _thousands(draft: Draft) -> None:
    for at, name in enumerate(draft.header):
        if name == "amount":
            for row in draft.rows:
                row[at] = f"{draft.random.uniform(1000, 9e6):,.2f}"


def _day_first(draft: Draft) -> None:
    for at, name in enumerate(draft.header):
        if name == "booked_on":
            for row in draft.rows:
                year, month, day = (row[at] or "").split("-")
                row[at] = f"{day}.{month}.{year}"


def _missing_values(draft: Draft) -> None:
    for row in draft.rows[1:]:
        for at in range(1, len(row)):
            if draft.random.random() < 0.2:
                row[at] = None


def _padded_fields(draft: Draft) -> None:
    _put(draft, lambda value: f" {value} ")


def _currency(draft: Draft) -> None:
    for at, name in enumerate(draft.header):
        if name == "amount":
            for row in draft.rows:
                row[at] = f"$ {row[at]}"


def _years_as_names(draft: Draft) -> None:
    draft.header += ["2024", "2025", "2026"]
    for row in draft.rows:
        row += [str(draft.random.randint(100, 999)) for _ in range(3)]


def _nameless_columns(draft: Draft) -> None:
    draft.header[0] = ""


def _same_names(draft: Draft) -> None:
    draft.header[-1] = draft.header[-2]


def _blanks_before_quotes(draft: Draft) -> None:
    """`a, "b; c"`: blanks between delimiter and quote, which belong to no field."""
    at = draft.some_row()
    row = draft.rows[at]
    position = _text_column(draft)
    row[position] = f"{draft.word()}{draft.delimiter} {draft.word()}"
    cells = [draft.cell(cell) for cell in row]
    cells[position] = " " + cells[position]
    draft.texts[at] = draft.delimiter.join(cells)


FIELD: Final[dict[str, Pollution]] = {
    "inner_delimiters": _inner_delimiters,
    "inner_quotes": _inner_quotes,
    "inner_line_ends": _inner_line_ends,
    "backslash_escape": _backslash_escape,
    "single_quotes": _single_quotes,
    "apostrophes": _apostrophes,
    "all_quoted": _all_quoted,
    "null_words": _null_words,
    "decimal_commas": _decimal_commas,
    "thousands": _thousands,
    "day_first": _day_first,
    "missing_values": _missing_values,
    "padded_fields": _padded_fields,
    "currency": _currency,
    "years_as_names": _years_as_names,
    # These write a row's text, so nothing may change its cells after them.
    "unescaped_quotes": _unescaped_quotes,
    "stray_quote": _stray_quote,
    "blanks_before_quotes": _blanks_before_quotes,
    "nameless_columns": _nameless_columns,
    "same_names": _same_names,
}
