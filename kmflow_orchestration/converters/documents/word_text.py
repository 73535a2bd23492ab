"""Text inside Word's elements: runs, tracked changes, notes and comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.converters.documents.office_package import chosen
from kmflow_orchestration.converters.safe_xml import (
    attribute,
    child,
    children,
    local_name,
    text_of,
)

_BREAKS: Mapping[str, str] = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_GONE = frozenset({"del", "moveFrom"})
# Field codes, what lies apart from the line, and properties.
_SKIPPED = frozenset({"instrText", "delInstrText", "rPr", "pPr", "fldChar", "softHyphen"})
_NOTES = frozenset({"footnoteReference", "endnoteReference"})


def is_on(properties: Any | None, name: str) -> bool:
    """Whether a switch such as `vanish` is on."""
    switch = child(properties, name) if properties is not None else None
    return switch is not None and attribute(switch, "val") not in ("0", "false", "off")


@dataclass(slots=True)
class Line:
    """One paragraph's text, and what hangs on it; mutable while its elements are walked."""

    pieces: list[str] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    """Who took text out, and the text."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Kind and id of notes referred to."""
    comments: list[str] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    """Contents of text boxes, which are blocks of their own."""
    is_hidden: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    def read(self, element: Any, *, gone_by: str | None = None) -> None:
        """Walk an element; `gone_by` names who deleted what lies in it."""
        for one in chosen(element):
            name = local_name(one)
            if name == "txbxContent":
                self.boxes.append(one)
            elif name in _GONE:
                self.read(one, gone_by=attribute(one, "author"))
            elif name in _NOTES:
                self._note(name.removesuffix("Reference"), attribute(one, "id"))
            elif name == "commentReference":
                self.comments.append(attribute(one, "id"))
            elif name not in _SKIPPED:
                self._say(one, name, gone_by)

    def _say(self, element: Any, name: str, gone_by: str | None) -> None:
        if name == "r":
            self.is_hidden |= is_on(child(element, "rPr"), "vanish")
        if name in ("t", "delText"):
            self._add(element.text or "", gone_by)
        elif name in _BREAKS:
            self._add(_BREAKS[name], gone_by)
        elif name == "sym":
            self._add(_symbol(attribute(element, "char")), gone_by)
        elif name == "docPr" and attribute(element, "descr"):
            self._add(f"[picture: {attribute(element, 'descr')}]", gone_by)
        else:
            self.read(element, gone_by=gone_by)

    def _add(self, text: str, gone_by: str | None) -> None:
        if gone_by is None:
            self.pieces.append(text)
        elif self.deleted and self.deleted[-1][0] == gone_by:
            self.deleted[-1] = (gone_by, self.deleted[-1][1] + text)
        else:
            self.deleted.append((gone_by, text))

    def _note(self, kind: str, identity: str) -> None:
        self.notes.append((kind, identity))
        self.pieces.append(f"[{kind} {identity}]")


def _symbol(code: str) -> str:
    """Symbol fonts put their signs where Unicode has none."""
    try:
        return chr(int(code, 16))
    except (ValueError, OverflowError):
        return ""


def paragraphs(element: Any) -> Iterator[Any]:
    """Paragraphs below an element, but for those in text boxes, which their paragraph reads."""
    for one in chosen(element):
        if local_name(one) == "p":
            yield one
        else:
            yield from paragraphs(one)


def plain(element: Any) -> str:
    """Text of all paragraphs below an element, one a line, without what was deleted."""
    lines = []
    for paragraph in paragraphs(element):
        line = Line()
        line.read(paragraph)
        lines += [line.text, *map(plain, line.boxes)]
    return "\n".join(filter(None, lines))


@dataclass(frozen=True, slots=True)
class Style:
    """`level` is 1 and up for headings, 0 for other text; `name` as people see it."""

    level: int
    is_list: bool
    name: str = ""


def styles_of(root: Any | None) -> dict[str, Style]:
    """Styles by id; each has what those it is based on have."""
    if root is None:
        return {}
    raw = {attribute(one, "styleId"): one for one in children(root, "style")}
    return {identity: _style(identity, raw) for identity in raw}


def _style(identity: str, raw: Mapping[str, Any]) -> Style:
    level, is_list, shown = 0, False, ""
    seen: set[str] = set()
    # Styles may be based on each other in a circle.
    while identity in raw and identity not in seen:
        seen.add(identity)
        style = raw[identity]
        properties = child(style, "pPr")
        name = attribute(child(style, "name"), "val")
        shown = shown or name
        level = level or _level_of_name(name)
        level = level or outline_level(properties)
        is_list = is_list or (properties is not None and child(properties, "numPr") is not None)
        identity = attribute(child(style, "basedOn"), "val")
    return Style(level, is_list and not level, shown)


def _level_of_name(name: str) -> int:
    """Built-in styles have the same names in every language."""
    lowered = name.lower()
    if lowered == "title":
        return 1
    number = lowered.removeprefix("heading ")
    return int(number) if number != lowered and number.isdecimal() and len(number) < 3 else 0


def outline_level(properties: Any | None) -> int:
    """Level from 1 of a paragraph's own outline; 0 for body text."""
    value = attribute(child(properties, "outlineLvl"), "val") if properties is not None else ""
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def comments_of(root: Any | None) -> dict[str, str]:
    """Comments by id, each with its author."""
    if root is None:
        return {}
    return {
        attribute(one, "id"): ": ".join(filter(None, (attribute(one, "author"), plain(one))))
        for one in children(root, "comment")
    }


def notes_of(root: Any | None) -> dict[str, str]:
    """Foot- or endnotes by id, without Word's own separators."""
    if root is None:
        return {}
    return {
        attribute(one, "id"): plain(one)
        for one in children(root, "footnote", "endnote")
        if attribute(one, "type") in ("", "normal") and text_of(one)
    }
