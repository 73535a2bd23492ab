"""Elements of an XML file put into the tables its shape asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import ConversionWarning, Receipt
from kmflow_orchestration.converters.record_tables import (
    PARENT_ID,
    ROW_ID,
    Cell,
    Form,
    OwnColumn,
    TableDraft,
    TableDrafts,
)
from kmflow_orchestration.converters.xml_shape import Element, Shape

_DOCUMENT_ID, _DOCUMENT_INDEX = OwnColumn("_document_id"), OwnColumn("_document_index")
_OWN = (ROW_ID, PARENT_ID, _DOCUMENT_ID, _DOCUMENT_INDEX)


@dataclass(slots=True)
class _Row:
    """A row under way."""

    number: int
    cells: list[Cell]


@dataclass(slots=True)
class _Open:
    """An element under way."""

    element: Element
    row: _Row
    has_attributes: bool
    has_children: bool = False
    texts: list[str] = field(default_factory=list)
    """What stands between its children, without what only lays them out."""
    run: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """A child comes, or the end after children: layout up to here is forgotten."""
        text = "".join(self.run)
        if text and not text.isspace():
            self.texts.append(text)
        self.run.clear()


class XmlGathering:
    """A reader that makes rows; the shape was learned before, of the same file."""

    def __init__(self, shape: Shape, told: Sequence[ConversionWarning]) -> None:
        self._shape = shape
        self._told = list(told)
        self._drafts = TableDrafts()
        self._numbers: dict[Element, int] = {}
        self._open: list[_Open] = []
        self._document = 0

    def document(self) -> None:
        self._document += 1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._open:
            above = self._open[-1]
            above.has_children = True
            if above.run:
                above.settle()
            element = above.element.children[name]
            row = self._new_row(element, above.row) if element.is_table else above.row
        else:
            element = self._shape.roots[name]
            row = self._new_row(element, None)
        for key, value in attributes.items():
            row.cells.append((element.attribute(key), Form.UNSAID, value))
        self._open.append(_Open(element, row, bool(attributes)))

    def _new_row(self, element: Element, parent: _Row | None) -> _Row:
        number = self._numbers[element] = self._numbers.get(element, 0) + 1
        # The order of tables is that of their first elements, not of their first ends.
        self._draft(element)
        cells: list[Cell] = [(ROW_ID, Form.NUMBER, str(number))]
        if parent is not None:
            cells.append((PARENT_ID, Form.NUMBER, str(parent.number)))
        if self._shape.documents > 1:
            cells.append((_DOCUMENT_ID, Form.NUMBER, str(self._document)))
            cells.append((_DOCUMENT_INDEX, Form.NUMBER, str(self._document - 1)))
        return _Row(number, cells)

    def _draft(self, element: Element) -> TableDraft:
        return self._drafts.find(element) or self._drafts.at(element, element.part)

    def text(self, text: str) -> None:
        self._open[-1].run.append(text)

    def end(self, name: str) -> None:
        one = self._open.pop()
        if one.has_children:
            one.settle()
            if one.texts:
                one.row.cells.append((one.element.mixed, Form.UNSAID, "".join(one.texts)))
        elif one.run or not one.has_attributes:
            one.row.cells.append((one.element.own, Form.UNSAID, "".join(one.run)))
        if one.element.is_table:
            self._draft(one.element).add(one.row.number, one.row.cells)

    def aside(self, *_: str) -> None:
        """Counted when the shape was learned."""

    def tables(self, receipt: Receipt, options: Mapping[str, str]) -> list[GatheredTable]:
        """The tables in the order of their first elements."""
        self._drop_what_says_nothing()
        tables = []
        for _, draft in self._drafts:
            counted = replace(
                receipt,
                rows_read=draft.read,
                rows_written=draft.rows,
                rows_rescued=draft.rescued,
                options=options,
            )
            tables.append(draft.finished(counted, self._told))
            self._told = []
        return tables

    def _drop_what_says_nothing(self) -> None:
        """Roots that hold nothing but rows of other tables."""
        drafts = {key: draft for key, draft in self._drafts if isinstance(key, Element)}
        empty = {element for element, draft in drafts.items() if draft.holds_only(*_OWN)}
        gone = {element for element in empty if element.parent is None}
        for element, draft in drafts.items():
            if element in gone:
                self._drafts.remove(element)
            elif element.parent_table in gone:
                draft.drop(PARENT_ID)
