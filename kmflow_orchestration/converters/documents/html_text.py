"""Blocks of an HTML tree, walked without recursion: pages of the web nest without a limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.text_tables import as_text

# Never read: programs, styles, and what stands in for them.
_SKIPPED = frozenset(
    {"script", "style", "noscript", "template", "head", "iframe", "object", "svg", "-comment"}
)
_INLINE = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "img", "input", "ins", "kbd", "label", "mark", "q", "s", "samp", "small"),
        *("span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "br"),
        *("button", "-text"),
    }
)
_HEADING = re.compile(r"h[1-6]$")
_LISTS = frozenset({"ul", "ol", "menu"})
_MAX_SPAN = 64
_KEPT_LINKS = ("http://", "https://", "mailto:")


@dataclass(slots=True)
class _State:
    """What is being gathered; mutable while the walk goes on."""

    heading: str = ""
    pieces: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    counters: list[int] = field(default_factory=list)
    """One per open list: the number of its last item, below 0 for bullets."""
    marker: str = ""
    number: int = 0

    def take(self) -> str:
        text = _collapsed("".join(self.pieces))
        self.pieces = []
        return text


def html_blocks(root: Any) -> Iterator[TextBlock]:
    """Headings, paragraphs, lists, tables and code below an element, in reading order."""
    state = _State()
    for node, is_entered in _walk(root):
        tag = node.tag
        if tag == "-text":
            state.pieces.append(node.text_content or "")
        elif tag == "pre":
            yield from _flush(state)
            yield from _code(state, node)
        elif tag == "table":
            yield from _flush(state)
            yield from _table(state, node)
        elif tag in _INLINE:
            _inline(state, node, is_entered=is_entered)
        else:
            yield from _block(state, node, is_entered=is_entered)
    yield from _flush(state)
    yield from _list_so_far(state)


def _walk(root: Any) -> Iterator[tuple[Any, bool]]:
    """Each node when it is entered, and again (False) when an element is left."""
    node, depth = root, 0
    while True:
        yield node, True
        first = None if _is_leaf(node) else node.child
        if first is not None:
            node, depth = first, depth + 1
            continue
        while True:
            if node.tag != "-text" and not _is_leaf(node):
                yield node, False
            if depth == 0:
                return
            following = node.next
            if following is not None:
                node = following
                break
            node, depth = node.parent, depth - 1


def _is_leaf(node: Any) -> bool:
    """What is not walked into: it is skipped, or read as a whole."""
    return node.tag in _SKIPPED or node.tag == "pre" or (node.tag == "table" and is_data(node))


def _block(state: _State, node: Any, *, is_entered: bool) -> Iterator[TextBlock]:
    tag = node.tag
    if _HEADING.match(tag) and not is_entered:
        yield from _heading(state, int(tag[1]))
        return
    yield from _flush(state)
    if tag in _LISTS:
        yield from _list(state, node, is_entered=is_entered)
    elif tag in ("li", "dd") and is_entered and state.counters:
        state.marker = _marker(state)


def _list(state: _State, node: Any, *, is_entered: bool) -> Iterator[TextBlock]:
    if is_entered:
        state.counters.append(0 if node.tag == "ol" else -1)
    elif state.counters:
        state.counters.pop()
        if not state.counters:
            yield from _list_so_far(state)


def _marker(state: _State) -> str:
    indent = "  " * min(len(state.counters) - 1, 8)
    if state.counters[-1] < 0:
        return f"{indent}- "
    state.counters[-1] += 1
    return f"{indent}{state.counters[-1]}. "


def _flush(state: _State) -> Iterator[TextBlock]:
    text = state.take()
    if not text:
        return
    if state.counters:
        state.items.append(f"{state.marker or '  '}{text}")
        state.marker = ""
        return
    yield _made(state, BlockKind.PARAGRAPH, text)


def _list_so_far(state: _State) -> Iterator[TextBlock]:
    if state.items:
        text, state.items = "\n".join(state.items), []
        yield _made(state, BlockKind.LIST, text)


def _heading(state: _State, level: int) -> Iterator[TextBlock]:
    text = " ".join(state.take().split())
    yield from _list_so_far(state)
    if 0 < len(text) <= MAX_HEADING:
        state.heading = text
        yield replace(_made(state, BlockKind.HEADING, text), level=level)
    elif text:
        yield _made(state, BlockKind.PARAGRAPH, text)


def _made(state: _State, kind: BlockKind, text: str) -> TextBlock:
    state.number += 1
    return TextBlock(kind, text, state.heading, f"block {state.number}")


def _inline(state: _State, node: Any, *, is_entered: bool) -> None:
    tag = node.tag
    if tag == "br" and is_entered:
        state.pieces.append("\x0b")
    elif tag == "img" and is_entered:
        if alternative := (node.attributes.get("alt") or "").strip():
            state.pieces.append(f"[picture: {alternative}]")
    elif tag == "a" and not is_entered:
        target = (node.attributes.get("href") or "").strip()
        is_told = target in "".join(state.pieces[-3:])
        if target.lower().startswith(_KEPT_LINKS) and not is_told:
            state.pieces.append(f" ({target.removeprefix('mailto:')})")


def _collapsed(text: str) -> str:
    """Blanks as browsers show them; only `<br>` breaks a line."""
    lines = (" ".join(line.split()) for line in text.split("\x0b"))
    return "\n".join(lines).strip()


def _code(state: _State, node: Any) -> Iterator[TextBlock]:
    text = (node.text(deep=True) or "").strip("\n")
    if text.strip():
        yield _made(state, BlockKind.CODE, text)


def is_data(table: Any) -> bool:
    """Whether a table holds cells of text, and is no frame for the layout of a page."""
    if table.css_first("table table, h1, h2, h3, ul, ol, pre") is not None:
        return False
    return any(len(_cells(row)) > 1 for row in table.css("tr"))


def _cells(row: Any) -> list[Any]:
    return [one for one in row.iter() if one.tag in ("td", "th")]


def _table(state: _State, node: Any) -> Iterator[TextBlock]:
    # A table for layout is walked: it is met again when it is left.
    if not is_data(node):
        return
    caption = node.css_first("caption")
    rows = [[_text(cell) for cell in _cells(row)] for row in node.css("tr")]
    title = f"{_text(caption)}\n" if caption is not None and _text(caption) else ""
    if text := as_text(rows):
        found = _made(state, BlockKind.TABLE, title + text)
        yield replace(found, rows=spread_rows(node.css("tr")), has_header=_has_header(node))


def _has_header(table: Any) -> bool:
    first = table.css_first("tr")
    if first is None:
        return False
    return first.parent.tag == "thead" or all(one.tag == "th" for one in _cells(first))


def spread_rows(found: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    """Cells where they stand on the grid: a cell that spans several fills only its first."""
    taken: dict[int, int] = {}
    """For each column the rows, this one included, that a cell above reaches into."""
    rows = []
    for row in found:
        cells: list[str] = []
        below = {at: left - 1 for at, left in taken.items() if left > 1}
        for cell in _cells(row):
            while taken.get(len(cells), 0) > 0:
                cells.append("")
            at, wide, high = len(cells), _span(cell, "colspan"), _span(cell, "rowspan")
            cells += [_text(cell), *[""] * (wide - 1)]
            below |= {one: high - 1 for one in range(at, at + wide) if high > 1}
        taken = below
        rows.append(tuple(cells))
    return tuple(rows)


def _span(cell: Any, name: str) -> int:
    told = (cell.attributes.get(name) or "").strip()
    # Nothing that people read is wider; what says so would fill the memory.
    return min(max(int(told), 1), _MAX_SPAN) if told.isdecimal() and len(told) < 6 else 1


def _text(node: Any) -> str:
    return " ".join((node.text(deep=True, separator=" ") or "").split())
