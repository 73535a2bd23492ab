"""Records of a JSON source put into their tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import ConversionWarning, Receipt, RejectedRow
from kmflow_orchestration.converters.json_stream import JsonScanner, Line
from kmflow_orchestration.converters.json_text import (
    FORMS,
    MAX_DEPTH,
    TOO_DEEP,
    Doubles,
    are_objects,
    form_and_text,
    forms_and_texts,
    is_object,
    without_nested,
)
from kmflow_orchestration.converters.reader_options import (
    FAIL,
    RESCUE,
    ReaderOptions,
    check_bad_lines,
    refused,
)
from kmflow_orchestration.converters.record_cells import (
    PARENT_ID,
    ROW_ID,
    Cell,
    Form,
    OwnColumn,
    header_of,
)
from kmflow_orchestration.converters.record_tables import TableDraft, TableDrafts
from kmflow_orchestration.errors import CorruptInput

NAME, VERSION = "json", "2"
Path = tuple[str, ...]
_STEP = re.compile(r"(?P<name>[^.\[\]]*)(?P<each>(?:\[\*\])*)")
_EACH = "[*]"
# A record that is no object has this one column.
_VALUE = OwnColumn("value")


@dataclass(frozen=True, slots=True)
class JsonOptions(ReaderOptions):
    """`record_path`: where the records lie in a document, such as `data.items[*]`.

    `flatten`: members of objects become columns `a.b`, arrays of objects tables of their own.
    `bad_lines`: a line that is no JSON fails the file (`fail`), is kept as text in a row without
    values (`rescue`), or counted as rejected and told apart (`reject`, see RejectsRows).
    """

    record_path: str = ""
    flatten: bool = False
    bad_lines: str = FAIL

    def check(self) -> None:
        """See ReaderOptions."""
        check_bad_lines(self.bad_lines)
        _steps(self.record_path)


def _steps(path: str) -> tuple[str, ...]:
    """Keys, and `[*]` for each element of an array; a last `[*]` is a matter of course."""
    steps: list[str] = []
    for part in path.split(".") if path else ():
        match = _STEP.fullmatch(part)
        if match is None or not part:
            raise refused("record_path", f"is {path!r}, no path", "write it as data.items[*]")
        steps += [match["name"]] if match["name"] else []
        steps += [_EACH] * (len(match["each"]) // len(_EACH))
    while steps and steps[-1] == _EACH:
        steps.pop()
    return tuple(steps)


def receipt_of(
    options: JsonOptions,
    facts: Mapping[str, str],
    content_hash: str,
    *,
    read: int,
    written: int,
    rejected: int = 0,
    skipped: int = 0,
    rescued: int = 0,
) -> Receipt:
    """What is proven of a table of a file, of which `facts` were found out."""
    return Receipt(
        NAME,
        VERSION,
        content_hash,
        rows_read=read,
        rows_written=written,
        rows_rejected=rejected,
        rows_skipped=skipped,
        rows_rescued=rescued,
        options={**facts, **{name: str(value) for name, value in asdict(options).items() if value}},
    )


class Gathering:
    """Takes the records of one source; afterwards `tables` are what it became."""

    def __init__(self, options: JsonOptions) -> None:
        self._options = options
        self._doubles = Doubles()
        self._drafts = TableDrafts(partial(forms_and_texts, doubles=self._doubles))
        self._parents: dict[Path, Path] = {}
        self._has_ids = options.flatten
        self._is_flat = not options.flatten
        self._bad_lines = self._left_out = 0
        self._first_problem = ""

    def take_lines(self, lines: Iterable[Line]) -> None:
        """Records one a line. Raises CorruptInput for a line that is no JSON, unless allowed."""
        self._draft(())
        for line in lines:
            if line.problem:
                self._bad_line(line)
            elif line.value is None:
                self._draft(()).skipped += 1
            else:
                self._take((), line.number, line.value, len(line.text))

    def _bad_line(self, line: Line) -> None:
        if self._options.bad_lines == FAIL:
            raise CorruptInput(f"line {line.number}, {line.problem}")
        self._bad_lines += 1
        self._first_problem = self._first_problem or f"line {line.number}, {line.problem}"
        if self._options.bad_lines == RESCUE:
            self._draft(()).add(line.number, (), line.text)
        else:
            # Its characters may be halves of such, which no file can hold.
            raw = json.dumps(line.text)
            self._draft(()).rejects.add(RejectedRow(line.number, raw, line.problem))

    def take_document(self, scanner: JsonScanner) -> None:
        """Records of every value at the top: elements of an array, or an object with its arrays.

        Raises:
            CorruptInput: no JSON, no object or array at the top, or nothing at `record_path`.
        """
        steps = _steps(self._options.record_path)
        if not scanner.peek():
            raise CorruptInput("the file holds no JSON value", reason="no_header")
        while first := scanner.peek():
            if first not in "{[":
                scanner.value()
                raise CorruptInput("a plain value stands at the top, no object and no array")
            if steps:
                self._along(scanner, steps)
            elif first == "[":
                self._elements((), scanner)
            else:
                self._wrapper(scanner)
        if steps and not self._drafts:
            raise CorruptInput(f"nothing lies at record_path {self._options.record_path!r}")

    def _elements(self, path: Path, scanner: JsonScanner, parent: int | None = None) -> None:
        draft = self._draft(path)
        for _ in scanner.elements():
            value = scanner.value()
            if value is None:
                draft.skipped += 1
            else:
                self._take(path, draft.read + 1, value, scanner.last_size, parent)

    def _wrapper(self, scanner: JsonScanner) -> None:
        """One object at the top: its arrays of objects may be of any size, the rest is a row."""
        self._has_ids = True
        draft, pairs = self._draft(()), []
        row_id = draft.rows + 1
        for key in scanner.members():
            if scanner.opens_objects():
                self._parents.setdefault((key,), ())
                self._elements((key,), scanner, row_id)
            else:
                pairs.append((key, scanner.value()))
        self._add((), row_id, tuple(pairs))

    def _along(self, scanner: JsonScanner, steps: tuple[str, ...]) -> None:
        """Records at the end of a path; what lies beside it is counted."""
        if not steps:
            if scanner.peek() == "[":
                self._elements((), scanner)
            else:
                self._add((), self._draft(()).rows + 1, scanner.value())
        elif steps[0] == _EACH and scanner.peek() == "[":
            for _ in scanner.elements():
                self._along(scanner, steps[1:])
        elif steps[0] != _EACH and scanner.peek() == "{":
            for key in scanner.members():
                if key == steps[0]:
                    self._along(scanner, steps[1:])
                else:
                    scanner.value()
                    self._left_out += 1
        else:
            scanner.value()
            self._left_out += 1

    def _take(
        self, path: Path, number: int, value: Any, size: int, parent: int | None = None
    ) -> None:
        """One record, the quick way where it has no key twice and lies flat as it is."""
        if self._is_flat and type(value) is tuple and value:
            draft = self._drafts.find(path) or self._draft(path)
            keys, values = zip(*value)  # noqa: B905 (pairs, and asked for every record)
            values = without_nested(values, self._doubles)
            if parent is not None:
                keys, values = (PARENT_ID, *keys), (str(parent).encode(), *values)
            if self._has_ids:
                keys, values = (ROW_ID, *keys), (str(draft.rows + 1).encode(), *values)
            if draft.add_whole(number, keys, values, size):
                return
        self._add(path, number, value, parent)

    def _add(self, path: Path, number: int, value: Any, parent: int | None = None) -> None:
        draft = self._draft(path)
        cells: list[Cell] = []
        below: list[tuple[Path, list[Any]]] = []
        if self._has_ids:
            cells.append((ROW_ID, Form.NUMBER, str(draft.rows + 1)))
        if parent is not None:
            cells.append((PARENT_ID, Form.NUMBER, str(parent)))
        if not is_object(value):
            cells.append((_VALUE, *form_and_text(value, self._doubles)))
        elif self._options.flatten:
            _flatten((), value, cells, below, self._doubles)
        else:
            for key, inner in value:
                # Most values, without a call for each.
                form = FORMS.get(type(inner))
                cells.append(
                    (key, form, inner) if form else (key, *form_and_text(inner, self._doubles))
                )
        draft.add(number, cells)
        row_id = draft.rows
        for inner_path, elements in below:
            child = path + inner_path
            if len(child) > MAX_DEPTH:
                raise CorruptInput(TOO_DEEP, reason=TOO_LARGE)
            self._parents.setdefault(child, path)
            self._draft(child)
            for element in elements:
                self._add(child, number, element, row_id)

    def _draft(self, path: Path) -> TableDraft:
        return self._drafts.find(path) or self._drafts.at(path, header_of(path))

    def tables(
        self,
        content_hash: str,
        facts: Mapping[str, str],
        warnings: tuple[ConversionWarning, ...],
    ) -> list[GatheredTable]:
        """The tables, those of an array after that of what it hangs on."""
        for _, draft in self._drafts:
            draft.settle()
        self._drop_what_says_nothing()
        told = [*warnings, *self._warnings()]
        tables = []
        for _, draft in self._drafts:
            draft.skip_rows_without_columns()
            receipt = receipt_of(
                self._options,
                facts,
                content_hash,
                read=draft.read,
                written=draft.rows,
                rejected=len(draft.rejects),
                skipped=draft.skipped,
                rescued=draft.rescued,
            )
            tables.append(draft.finished(receipt, told))
            told = []
        return tables

    def _drop_what_says_nothing(self) -> None:
        """Ids nothing hangs on, and a document's own row if it holds nothing but arrays."""
        hung_on = set(self._parents.values())
        for path, draft in self._drafts:
            if path not in hung_on:
                draft.drop(ROW_ID)
        root = self._drafts.find(())
        if root is not None and root.rows == 1 and () in hung_on and root.holds_only(ROW_ID):
            self._drafts.remove(())
            for path, parent in self._parents.items():
                draft_below = self._drafts.find(path)
                if parent == () and draft_below is not None:
                    draft_below.drop(PARENT_ID)

    def _warnings(self) -> Iterator[ConversionWarning]:
        if self._bad_lines:
            is_kept = self._options.bad_lines == RESCUE
            done = "kept as text in _rescued_data" if is_kept else "left out"
            text = f"{self._bad_lines} lines are no JSON: {done}"
            yield ConversionWarning("bad_lines", text, self._first_problem)
        if self._doubles.count:
            text = f"{self._doubles.count} objects within values have a key twice: both are kept"
            yield ConversionWarning("nested_duplicate_keys", text)
        if self._left_out:
            text = f"{self._left_out} values lie beside record_path: left out"
            yield ConversionWarning("outside_record_path", text)


def _flatten(
    prefix: Path,
    pairs: Any,
    cells: list[Cell],
    below: list[tuple[Path, list[Any]]],
    doubles: Doubles,
) -> None:
    if len(prefix) > MAX_DEPTH:
        raise CorruptInput(TOO_DEEP, reason=TOO_LARGE)
    for key, value in pairs:
        path = (*prefix, key)
        if is_object(value) and value:
            _flatten(path, value, cells, below, doubles)
        elif are_objects(value):
            below.append((path, value))
        else:
            cells.append((path, *form_and_text(value, doubles)))
