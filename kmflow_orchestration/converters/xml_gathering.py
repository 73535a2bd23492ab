"""Elements of an XML file put into the tables its plan asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import ConversionWarning, Receipt, RejectedRow
from kmflow_orchestration.converters.record_cells import (
    MAX_CELL_CHARACTERS,
    PARENT_ID,
    ROW_ID,
    Cell,
    Form,
    OwnColumn,
)
from kmflow_orchestration.converters.record_tables import TableDraft, TableDrafts
from kmflow_orchestration.converters.whole_rows import Counted, WholeColumn
from kmflow_orchestration.converters.xml_items import (
    LESS_WIDE,
    Item,
    ItemTexts,
    forms_and_texts,
    rows_along_path,
    rows_side_by_side,
    size_of,
)
from kmflow_orchestration.converters.xml_parsing import TEXT_BYTES, BadDocument
from kmflow_orchestration.converters.xml_plan import Plan, Role
from kmflow_orchestration.converters.xml_shape import Element, Namespaces, Shape
from kmflow_orchestration.converters.xml_stretches import Stretch
from kmflow_orchestration.errors import CorruptInput

_DOCUMENT_ID, _DOCUMENT_INDEX = OwnColumn("_document_id"), OwnColumn("_document_index")
_LINE, _PROBLEM, _TEXT = OwnColumn("line"), OwnColumn("problem"), OwnColumn("text")
REJECTED = "rejected_documents"
# Of two pieces of a text that come one after the other, the parser's buffer could not hold both.
_MOST_PIECES = 2 * MAX_CELL_CHARACTERS // TEXT_BYTES
# How often, on the whole, a wide table may repeat what its source says once.
_MOST_TIMES = 100
_OWN = (ROW_ID, PARENT_ID, _DOCUMENT_ID, _DOCUMENT_INDEX)


class XmlGathering:
    """A reader that makes rows; the shape was learned before, of the same file.

    `around` are the cells that rows of wide tables repeat, by document.
    """

    wants_texts: ClassVar[bool] = True
    # They were counted when the shape was learned.
    wants_asides: ClassVar[bool] = False

    def __init__(
        self,
        shape: Shape,
        plan: Plan,
        around: Mapping[int, Sequence[Cell]] | None = None,
    ) -> None:
        self._documents = shape.documents
        self._plan = plan
        self._roles = plan.roles
        self.told: list[ConversionWarning] = []
        # What holds for each table, whichever are asked for.
        self.told_of_all: list[ConversionWarning] = []
        self._around = around or {}
        self._wide = frozenset(plan.wide.values())
        self._said = _Said(sum(map(size_of, self._around.values())))
        self._drafts = TableDrafts(forms_and_texts)
        self._numbers: dict[Element, int] = {}
        self._level_ids = {
            element: OwnColumn(f"_id_{level}") for element, level in plan.levels.items()
        }
        self._item_texts = ItemTexts()
        self._nowhere = Item()
        # The element under way, where its values go, and the texts between its children; then
        # the same of those around it.
        self._element = above_all = Element("", None, Namespaces.STRIP)
        above_all.children = self._known = shape.roots
        self._item, self._cells = self._nowhere, self._nowhere.cells
        self._texts: list[str] | None = None
        self._around_it: list[tuple[Element, Item, list[Cell], list[str] | None]] = []
        # Most elements are but texts, and not entered.
        self._leaf: Element | None = None
        for element, role in self._roles.items():
            element.is_leaf = role == Role.COLUMNS and element.is_plain
        self._has_children = self._has_attributes = False
        # Text since the last tag.
        self._run: list[str] = []
        self._document = 0
        self._wide_rows = 0
        self.left_out = 0

    def document(self, number: int) -> None:
        self._document, self._wide_rows = number, 0

    def forget(self) -> None:
        """Bad documents are known by now, and passed over."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._run:
            self._settle()
        element = self._known[name]
        if element.is_leaf:
            self._leaf = element
            return
        around = self._item
        self._around_it.append((self._element, around, self._cells, self._texts))
        role = self._roles[element]
        if role != Role.COLUMNS:
            self._item, self._cells = self._begun(element, role, around)
        self._element, self._known = element, element.children
        self._texts, self._has_children = None, False
        self._has_attributes = bool(attributes)
        for key, value in attributes.items():
            self._cells.append((element.attribute(key), Form.UNSAID, value))

    def _begun(self, element: Element, role: int, above: Item) -> tuple[Item, list[Cell]]:
        """What an element that is more than columns begins, and where its own values go."""
        if role == Role.ROW:
            item = self._new_row(element, above)
        elif role == Role.JOINED:
            return above, above.joined
        elif role == Role.FURTHER:
            item = self._further_row(element)
            above.below.setdefault(element, []).append(item)
        else:
            item = Item() if role == Role.ITEM else self._nowhere
        return item, item.cells

    def _new_row(self, element: Element, above: Item) -> Item:
        if element in self._plan.wide:
            return Item()
        # The order of tables is that of their first elements, not of their first ends.
        self._draft(element)
        item = Item(self._next_number(element))
        item.cells.append((ROW_ID, Form.NUMBER, str(item.number)))
        if above.number:
            item.cells.append((PARENT_ID, Form.NUMBER, str(above.number)))
        if self._documents > 1:
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

    def stretch(self, stretch: Stretch) -> bool:
        """Whole rows of one table at once; see TakesStretches."""
        element, roles = stretch.element, self._roles
        children = [one.child for one in stretch.columns if one.child is not None]
        is_row = roles[element] == Role.ROW and element not in self._plan.wide
        if not is_row or element in self._wide or self._documents > 1:
            return False
        if any(roles[child] != Role.COLUMNS or child.base is not element for child in children):
            return False
        above = self._item
        first = self._numbers.get(element, 0) + 1
        self._numbers[element] = first + stretch.count - 1
        columns = [
            WholeColumn(
                element.attribute(one.attribute) if one.child is None else one.child.own,
                *(one.place, one.type, one.valid, one.empty, one.first),
            )
            for one in stretch.columns
        ]
        counted = {ROW_ID: Counted(first, is_same=False)}
        if above.number:
            counted[PARENT_ID] = Counted(above.number, is_same=True)
        spooled = stretch.spool, stretch.batch
        self._draft(element).add_set_aside(spooled, stretch.count, columns, counted)
        return True

    def text(self, text: str) -> None:
        run = self._run
        run.append(text)
        if len(run) > _MOST_PIECES:
            raise CorruptInput(
                f"a text of more than {MAX_CELL_CHARACTERS} characters", reason=TOO_LARGE
            )

    def _settle(self) -> None:
        """A child comes, or the end after children: layout up to here is forgotten."""
        text = "".join(self._run)
        self._run.clear()
        if not text.isspace():
            if self._texts is None:
                self._texts = []
            self._texts.append(text)
            self._item.grow(len(text))

    def end(self, name: str) -> None:
        leaf, run = self._leaf, self._run
        if leaf is not None:
            self._cells.append((leaf.own, Form.UNSAID, "".join(run)))
            run.clear()
            self._leaf, self._has_children = None, True
            return
        element, item = self._element, self._item
        if self._has_children:
            if run:
                self._settle()
            if self._texts:
                self._cells.append((element.mixed, Form.UNSAID, "".join(self._texts)))
        elif run or not self._has_attributes:
            self._cells.append((element.own, Form.UNSAID, "".join(run)))
            run.clear()
        self._element, self._item, self._cells, self._texts = self._around_it.pop()
        self._known, self._has_children = self._element.children, True
        role = self._roles[element]
        if role != Role.COLUMNS:
            self._ended(element, role, item, self._item)

    def _ended(self, element: Element, role: int, item: Item, above: Item) -> None:
        if role == Role.ROW:
            item.settle()
            self._row(element, item)
        elif role == Role.FURTHER:
            item.settle()
            above.grow(item.size + size_of(item.cells))
        elif role == Role.ITEM:
            text = self._item_texts.of(element, item)
            above.arrays.setdefault(element, []).append(text)
            above.grow(len(text))
        elif role == Role.JOINED:
            self._grow_joined(item)
        else:
            self.left_out += len(item.cells)
            item.cells.clear()
            item.size = 0

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
            _add(draft, first)
            for row in others:
                _add(draft, [*own, *row])
        else:
            _add(self._draft(element), item.cells)

    def _root_of_wide(self, root: Element, item: Item) -> None:
        """What stands around rows is a row only where there are none."""
        if not self._wide_rows and item.cells:
            element = self._plan.wide[root]
            around, alone = item.cells, self._new_row(element, self._nowhere)
            alone.cells[alone.ids :] = around
            _add(self._draft(element), alone.cells)

    def _wide_row(self, element: Element, item: Item) -> None:
        self._wide_rows += 1
        draft = self._draft(element)
        own = item.cells[item.ids + len(self._around.get(self._document, ())) :]
        self._said.read += item.size + size_of(own)
        for cells in rows_along_path(item):
            self._said.write(size_of(cells))
            _add(draft, cells)

    def aside(self, *_: str) -> None:
        """Not asked for."""

    def add_rejected(self, documents: Iterable[BadDocument], path: Path, *, as_rows: bool) -> str:
        """Documents that could not be read: in a table of their own, or as rows left out of one.

        Where they are now. All others were read before.
        """
        self._drop_what_says_nothing()
        first = next((draft for _, draft in self._drafts), None)
        if as_rows and first is not None:
            for one in documents:
                first.rejects.add(RejectedRow(one.line, _as_json(one, path), one.problem))
            return f"among the rejected rows of {first.part or 'the first table'}"
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
        return f"in the table {draft.part}"

    @property
    def rows(self) -> int:
        return sum(draft.rows for _, draft in self._drafts)

    def tables(self, receipt: Receipt, options: Mapping[str, str]) -> list[GatheredTable]:
        """The tables in the order of their first elements."""
        self._drop_what_says_nothing()
        tables = []
        told = [*self.told, *self.told_of_all]
        for _, draft in self._drafts:
            counted = replace(
                receipt,
                rows_read=draft.read,
                rows_written=draft.rows,
                rows_rejected=len(draft.rejects),
                rows_rescued=draft.rescued,
                options=options,
            )
            tables.append(draft.finished(counted, told))
            told = list(self.told_of_all)
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


def _add(draft: TableDraft, cells: Sequence[Cell]) -> None:
    """One row, which has no column twice."""
    keys, _, texts = zip(*cells)  # noqa: B905 (triples, and asked for every row)
    if not draft.add_whole(draft.rows + 1, keys, texts, sum(map(len, texts))):
        draft.add(draft.rows + 1, cells)


def _as_json(document: BadDocument, path: Path) -> str:
    text = document.text(path, MAX_CELL_CHARACTERS + 1)
    if len(text) > MAX_CELL_CHARACTERS:
        raise CorruptInput(
            f"document {document.number} is not well-formed, and holds more than "
            f"{MAX_CELL_CHARACTERS} characters",
            reason=TOO_LARGE,
        )
    return json.dumps(text)


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
