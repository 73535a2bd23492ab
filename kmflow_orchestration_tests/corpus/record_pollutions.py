"""Pollutions of records and of whole files: what stands among, above and below the rows."""

from __future__ import annotations

from typing import Final

from kmflow_orchestration_tests.corpus.delimited_draft import (
    Cells,
    Draft,
    Pollution,
    make_draft,
)


def _preamble(draft: Draft) -> None:
    draft.above += [f"Report of {draft.word()}", f"made for {draft.word()}"][
        : draft.random.randint(1, 2)
    ]


def _preamble_and_blank(draft: Draft) -> None:
    _preamble(draft)
    draft.above.append("")


def _delimited_preamble(draft: Draft) -> None:
    draft.above.append(f"Report of {draft.word()}" + draft.delimiter * (draft.width - 1))


def _footer(draft: Draft) -> None:
    draft.below.append(f"Source: register of {draft.word()}".replace(draft.delimiter, " "))


def _footer_after_blank(draft: Draft) -> None:
    draft.below += ["", f"{draft.word()} figures", "as of spring"][: draft.random.randint(2, 3)]


def _delimited_footer(draft: Draft) -> None:
    draft.below.append(f"Source of {draft.word()}" + draft.delimiter * (draft.width - 1))


def _empty_lines(draft: Draft) -> None:
    for _ in range(draft.random.randint(1, 4)):
        draft.between.setdefault(draft.some_row(), []).append("")


def _blank_records(draft: Draft) -> None:
    blank = draft.delimiter * (draft.width - 1)
    draft.between.setdefault(draft.some_row(), []).append(blank)


def _comments(draft: Draft) -> None:
    draft.above.append(f"# export of {draft.word()}")
    draft.between.setdefault(draft.some_row(), []).append(f"# checked by {draft.word()}")


def _comments_with_delimiters(draft: Draft) -> None:
    text = f"# {draft.word()}{draft.delimiter} {draft.word()}"
    draft.above.append(text if draft.width != 2 else text.replace(draft.delimiter, " "))


def _repeated_header(draft: Draft) -> None:
    draft.between.setdefault(draft.some_row(), []).append(draft.line(list(draft.header)))


def _no_header(draft: Draft) -> None:
    draft.has_header = False


def _grouped_header(draft: Draft) -> None:
    half = draft.width // 2
    groups: Cells = [None] * draft.width
    groups[0], groups[half] = "base", "detail"
    draft.header_lines = [groups, list(draft.header)]
    names = ["base"] * half + ["detail"] * (draft.width - half)
    draft.names = [f"{group} {name}" for group, name in zip(names, draft.header, strict=True)]


def _unit_header(draft: Draft) -> None:
    draft.header_lines = [list(draft.header), ["unit"] * draft.width]
    draft.names = [f"{name} unit" for name in draft.header]


def _short_row(draft: Draft) -> None:
    at = draft.some_row()
    draft.rows[at] = draft.rows[at][: draft.width - 1]


def _long_row(draft: Draft) -> None:
    at = draft.some_row()
    draft.texts[at] = draft.line(draft.rows[at]) + draft.delimiter + "surplus"


def _trailing_delimiters(draft: Draft) -> None:
    for at, row in enumerate(draft.rows):
        if len(row) == draft.width and at not in draft.texts:
            draft.texts[at] = draft.line(row) + draft.delimiter


def _two_tables(draft: Draft) -> None:
    width = draft.width + 2 if draft.width < 9 else draft.width - 2
    other = make_draft(draft.random, draft.encoding, min(width, 12))
    other.delimiter, other.quote, other.escape = draft.delimiter, draft.quote, draft.escape
    other.header = [f"second_{name}" for name in other.header]
    other.above = [""]
    draft.more.append(other)


def _two_titled_tables(draft: Draft) -> None:
    _two_tables(draft)
    draft.more[0].above = ["", "Second register"]


def _no_final_line_end(draft: Draft) -> None:
    draft.ends_open = True


def _line_end(end: str) -> Pollution:
    def pollute(draft: Draft) -> None:
        draft.line_end = end

    return pollute


def _sep_line(draft: Draft) -> None:
    draft.above.insert(0, f"sep={draft.delimiter}")


def _mark(draft: Draft) -> None:
    draft.mark = b"\xef\xbb\xbf"


def _prose_preamble(draft: Draft) -> None:
    """Lines that hold the delimiter by chance."""
    mark = draft.delimiter
    text = f"Report on {draft.word()}{mark} {draft.word()} and others"
    draft.above += [text if draft.width != 2 else text.replace(mark, " "), f"by {draft.word()}"]


def _keyed_preamble(draft: Draft) -> None:
    draft.above += [f"Author{draft.delimiter}{draft.word()}", f"Version{draft.delimiter}7", ""]


def _prose_footer(draft: Draft) -> None:
    text = f"Note: {draft.word()}{draft.delimiter} {draft.word()} not counted"
    draft.below += ["", text if draft.width != 2 else text.replace(draft.delimiter, " ")]


def _many_columns(draft: Draft) -> None:
    for number in range(30):
        draft.header.append(f"measure_{number}")
        for row in draft.rows:
            row.append(str(draft.random.randint(0, 1000)))


def _few_rows(draft: Draft) -> None:
    del draft.rows[3:]


RECORD: Final[dict[str, Pollution]] = {
    "many_columns": _many_columns,
    "few_rows": _few_rows,
    "short_row": _short_row,
    "long_row": _long_row,
    "trailing_delimiters": _trailing_delimiters,
    "blank_records": _blank_records,
    "comments": _comments,
    "comments_with_delimiters": _comments_with_delimiters,
    "repeated_header": _repeated_header,
    "no_header": _no_header,
    "grouped_header": _grouped_header,
    "unit_header": _unit_header,
}
FILE: Final[dict[str, Pollution]] = {
    "preamble": _preamble,
    "preamble_and_blank": _preamble_and_blank,
    "delimited_preamble": _delimited_preamble,
    "prose_preamble": _prose_preamble,
    "keyed_preamble": _keyed_preamble,
    "prose_footer": _prose_footer,
    "footer": _footer,
    "footer_after_blank": _footer_after_blank,
    "delimited_footer": _delimited_footer,
    "empty_lines": _empty_lines,
    "two_tables": _two_tables,
    "two_titled_tables": _two_titled_tables,
    "no_final_line_end": _no_final_line_end,
    "carriage_returns": _line_end("\r"),
    "dos_line_ends": _line_end("\r\n"),
    "mixed_line_ends": _line_end("mixed"),
    "sep_line": _sep_line,
    "byte_order_mark": _mark,
}
