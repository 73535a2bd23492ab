"""Elements of an XML file put into the tables its plan asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import ConversionWarning, Receipt
from kmflow_orchestration.converters.record_tables import (
    MAX_CELL_CHARACTERS,
    PARENT_ID,
    ROW_ID,
    Cell,
    Form,
    OwnColumn,
    TableDraft,
    TableDrafts,
)
from kmflow_orchestration.converters.xml_items import (
    LESS_WIDE,
    Item,
    ItemTexts,
    rows_along_path,
    rows_side_by_side,
    size_of,
)
from kmflow_orchestration.converters.xml_parsing import BadDocument
from kmflow_orchestration.converters.xml_plan import Plan, Role
from kmflow_orchestration.converters.xml_shape import Element, Shape
from kmflow_orchestration.errors import CorruptInput

_DOCUMENT_ID, _DOCUMENT_INDEX = OwnColumn("_document_id"), OwnColumn("_document_index")
_LINE, _PROBLEM, _TEXT = OwnColumn("line"), OwnColumn("problem"), OwnColumn("text")
REJECTED = "rejected_documents"
# How often, on the whole, a wide table may repeat what its source says once.
_MOST_TIMES = 100
_OWN = (ROW_ID, PARENT_ID, _DOCUMENT_ID, _DOCUMENT_INDEX)


@dataclass(slots=True, eq=False)
class _Open:
    """An element under way: its `cells` are those of `item`, or a list in it."""

    element: Element
    role: int
    item: Item
    cells: list[Cell]
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
    """A reader that makes rows; the shape was learned before, of the same file.

    `around` are the cells that rows of wide tables repeat, by document.
    """

    def __init__(
        self,
        shape: Shape,
        plan: Plan,
        around: Mapping[int, Sequence[Cell]] | None = None,
    ) -> None:
        self._shape = shape
        self._plan = plan
        self._roles = plan.roles
        self.told: list[ConversionWarning] = []
        self._around = around or {}
        self._wide = frozenset(plan.wide.values())
        self._said = _Said(sum(map(size_of, self._around.values())))
        self._drafts = TableDrafts()
        self._numbers: dict[Element, int] = {}
        self._level_ids = {
            element: OwnColumn(f"_id_{level}") for element, level in plan.levels.items()
        }
        self._item_texts = ItemTexts()
        self._open: list[_Open] = []
        self._nowhere = Item()
        self._document = 0
        self._wide_rows = 0
        self.left_out = 0

    def document(self, number: int) -> None:
        self._document, self._wide_rows = number, 0

    def forget(self) -> None:
        """Bad documents are known by now, and passed over."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._open:
            above = self._open[-1]
            above.has_children = True
            if above.run:
                above.settle()
            element = above.element.children[name]
            role = self._roles[element]
            if role == Role.COLUMNS:
                item, cells = above.item, above.cells
            else:
                item, cells = self._begun(element, role, above.item)
        else:
            element = self._shape.roots[name]
            role = self._roles[element]
            item, cells = self._begun(element, role, None)
        for key, value in attributes.items():
            cells.append((element.attribute(key), Form.UNSAID, value))
        self._open.append(_Open(element, role, item, cells, bool(attributes)))

    def _begun(self, element: Element, role: int, above: Item | None) -> tuple[Item, list[Cell]]:
        """What an element that is more than columns begins, and where its own values go."""
        if role == Role.ROW or above is None:
            item = self._new_row(element, above) if role == Role.ROW else self._nowhere
        elif role == Role.JOINED:
            return above, above.joined
        elif role == Role.FURTHER:
            item = self._further_row(element)
            above.below.setdefault(element, []).append(item)
        else:
            item = Item() if role == Role.ITEM else self._nowhere
        return item, item.cells

    def _new_row(self, element: Element, above: Item | None) -> Item:
        if element in self._plan.wide:
            return Item()
        # The order of tables is that of their first elements, not of their first ends.
        self._draft(element)
        item = Item(self._next_number(element))
        item.cells.append((ROW_ID, Form.NUMBER, str(item.number)))
        if above is not None and above.number:
            item.cells.append((PARENT_ID, Form.NUMBER, str(above.number)))
        if self._shape.documents > 1:
            item.cells.append((_DOCUMENT_ID, Form.NUMBER, str(self._document)))
            item.cells.append((_DOCUMENT_INDEX, Form.NUMBER, str(self._document - 1)))
        item.ids = len(item.cells)
        if element in self._wide:
            item.cells += self._around.get(self._document, ())
        return item

    def _further_row(self, element: Element) -> Item:
        own_id = self._level_ids.get(element)
        if own_id is None:
            return Item()
        item = Item(self._next_number(element))
        item.cells.append((own_id, Form.NUMBER, str(item.number)))
        return item

    def _next_number(self, element: Element) -> int:
        number = self._numbers[element] = self._numbers.get(element, 0) + 1
        return number

    def _draft(self, element: Element) -> TableDraft:
        return self._drafts.find(element) or self._drafts.at(element, element.part)

    def text(self, text: str) -> None:
        self._open[-1].run.append(text)

    def end(self, name: str) -> None:
        one = self._open.pop()
        if one.has_children:
            one.settle()
            if one.texts:
                one.cells.append((one.element.mixed, Form.UNSAID, "".join(one.texts)))
        elif one.run or not one.has_attributes:
            one.cells.append((one.element.own, Form.UNSAID, "".join(one.run)))
        if one.role != Role.COLUMNS:
            self._ended(one)

    def _ended(self, one: _Open) -> None:
        item, above = one.item, self._open[-1].item if self._open else self._nowhere
        if one.role == Role.ROW:
            item.settle()
            self._row(one.element, item)
        elif one.role == Role.FURTHER:
            item.settle()
            above.grow(item.size + size_of(item.cells))
        elif one.role == Role.ITEM:
            text = self._item_texts.of(one.element, item)
            above.arrays.setdefault(one.element, []).append(text)
            above.grow(len(text))
        elif one.role == Role.JOINED:
            self._grow_joined(item)
        else:
            self.left_out += len(item.cells)
            item.cells.clear()

    def _grow_joined(self, item: Item) -> None:
        item.grow(size_of(item.joined[item.counted :]))
        item.counted = len(item.joined)

    def _row(self, element: Element, item: Item) -> None:
        """A whole row goes where it belongs."""
        if element in self._plan.wide:
            self._root_of_wide(element, item)
        elif element in self._wide:
            self._wide_row(element, item)
        elif item.below:
            draft, own = self._draft(element), item.cells[: item.ids]
            first, *others = rows_side_by_side(item)
            draft.add(draft.rows + 1, first)
            for row in others:
                draft.add(draft.rows + 1, [*own, *row])
        else:
            self._draft(element).add(item.number, item.cells)

    def _root_of_wide(self, root: Element, item: Item) -> None:
        """What stands around rows is a row only where there are none."""
        if not self._wide_rows and item.cells:
            element = self._plan.wide[root]
            around, alone = item.cells, self._new_row(element, None)
            alone.cells[alone.ids :] = around
            self._draft(element).add(self._draft(element).rows + 1, alone.cells)

    def _wide_row(self, element: Element, item: Item) -> None:
        self._wide_rows += 1
        draft = self._draft(element)
        own = item.cells[item.ids + len(self._around.get(self._document, ())) :]
        self._said.read += item.size + size_of(own)
        for cells in rows_along_path(item):
            self._said.write(size_of(cells))
            draft.add(draft.rows + 1, cells)

    def aside(self, *_: str) -> None:
        """Counted when the shape was learned."""

    def add_rejected(self, documents: Iterable[BadDocument], path: Path) -> None:
        """Documents that could not be read, in a table of their own."""
        draft = self._drafts.at(REJECTED, REJECTED)
        for one in documents:
            cells: list[Cell] = [
                (_DOCUMENT_ID, Form.NUMBER, str(one.number)),
                (_DOCUMENT_INDEX, Form.NUMBER, str(one.number - 1)),
                (_LINE, Form.NUMBER, str(one.line)),
                (_PROBLEM, Form.NESTED, one.problem),
                (_TEXT, Form.NESTED, one.text(path, MAX_CELL_CHARACTERS + 1)),
            ]
            draft.add(one.number, cells)

    @property
    def rows(self) -> int:
        return sum(draft.rows for _, draft in self._drafts)

    def tables(self, receipt: Receipt, options: Mapping[str, str]) -> list[GatheredTable]:
        """The tables in the order of their first elements."""
        self._drop_what_says_nothing()
        tables = []
        told = list(self.told)
        for _, draft in self._drafts:
            counted = replace(
                receipt,
                rows_read=draft.read,
                rows_written=draft.rows,
                rows_rescued=draft.rescued,
                options=options,
            )
            tables.append(draft.finished(counted, told))
            told = []
        return tables

    def _drop_what_says_nothing(self) -> None:
        """Roots that hold nothing but rows of other tables."""
        drafts = {key: draft for key, draft in self._drafts if isinstance(key, Element)}
        empty = {element for element, draft in drafts.items() if draft.holds_only(*_OWN)}
        gone = {element for element in empty if element.parent is None}
        for element, draft in drafts.items():
            if element in gone:
                self._drafts.remove(element)
            elif self._plan.row_around(element) in gone:
                draft.drop(PARENT_ID)


class Surroundings(XmlGathering):
    """A reader of what stands around the rows of wide tables, by document."""

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, Plan(plan.of_surroundings, plan.wide))
        self.found: dict[int, list[Cell]] = {}
        self._size = 0

    def _root_of_wide(self, root: Element, item: Item) -> None:
        self.found[self._document] = item.cells
        self._size += size_of(item.cells)
        if self._size > MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"what stands around the rows has more than {MAX_CELL_CHARACTERS} characters",
                reason=TOO_LARGE,
                hint=LESS_WIDE,
            )


@dataclass(slots=True)
class _Said:
    """How much was read for wide tables, and how much they say with all that they repeat."""

    read: int = 0
    written: int = 0

    def write(self, size: int) -> None:
        self.written += size
        if self.written > _MOST_TIMES * self.read + MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"one wide table would repeat its values more than {_MOST_TIMES} times",
                reason=TOO_LARGE,
                hint=LESS_WIDE,
            )
