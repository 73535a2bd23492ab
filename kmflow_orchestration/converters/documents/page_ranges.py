"""Pages that somebody asked for: `5`, `1-10`, `5-`, `-10`, several with commas (row D32)."""

from __future__ import annotations

import re

from kmflow_orchestration.converters.reader_options import refused

_OPTION = "pages"
_RANGE = re.compile(r"(\d{1,9})?(-)?(\d{1,9})?")


def check_ranges(text: str) -> None:
    """Raises ConfigurationError for what names no pages."""
    _ranges(text)


def chosen_pages(text: str, count: int) -> list[int]:
    """Numbers from 1 in their order; all of `count` pages for ''.

    Raises:
        ConfigurationError: a range that is none, or a page that the document does not have.
    """
    if not text:
        return list(range(1, count + 1))
    found: set[int] = set()
    for first, last in _ranges(text):
        end = count if last is None else last
        if max(first, end) > count:
            told = "1 page" if count == 1 else f"{count} pages"
            raise refused(_OPTION, f"{text!r} goes beyond the end: there are {told}")
        found.update(range(first, end + 1))
    return sorted(found)


def _ranges(text: str) -> list[tuple[int, int | None]]:
    return [_range(part.strip(), text) for part in text.split(",")]


def _range(part: str, text: str) -> tuple[int, int | None]:
    match = _RANGE.fullmatch(part) if part.isascii() else None
    if match is None or not (match[1] or match[3]):
        raise refused(
            _OPTION, f"cannot be {text!r}", "such as 5, 1-10, 5- (to the end), -10 (the first ten)"
        )
    first = int(match[1] or 1)
    last = int(match[3]) if match[3] else None if match[2] else first
    if first < 1 or (last is not None and last < first):
        raise refused(_OPTION, f"cannot be {text!r}", f"{part} names no page")
    return first, last
