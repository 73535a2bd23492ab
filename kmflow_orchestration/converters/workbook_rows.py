"""Rows of a large sheet by one pattern: what most programs write, read in a part of the time.

The pattern is made of the first rows and takes what looks the same, to the byte. Numbers and texts
without anything to decode are taken as they stand, all other cells are given to the reader, each
content once. Whatever does not fit ends the attempt: the reader then reads the sheet as always.
"""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from kmflow_orchestration.converters.spreadsheet_range import column_index, column_letters
from kmflow_orchestration.converters.workbook_alike import (
    ROW_BEGIN,
    ROW_END,
    CellFrame,
    values_of_alike,
)
from kmflow_orchestration.converters.workbook_parts import WorkbookParts
from kmflow_orchestration.converters.workbook_texts import (
    UnlikeRowsError,
    are_odd,
    has_blank_row,
    is_odd,
    may_be_odd,
    number,
    numbers,
    numbers_of_bytes,
    side_by_side,
    text_array,
)

HEAD_ROWS = 60
_CHUNK_BYTES = 4 << 20
_LEARNED_ROWS, _MOST_LESSONS = 1000, 4
_MOST_TAIL_BYTES = 4 << 20
_MOST_COLUMNS, _MOST_FORMS = 512, 8
_MOST_TEXTS, _MOST_KNOWN = 1 << 18, 1 << 17
# Rows before it have numbers of one, two and three digits: too few of each are cut at once.
_LEAST_ALIKE, _MOST_MISSES = 1000, 3
_LEAST_ROW_BYTES = len(b'<row r="1000"></row>')
_DATA, _DATA_END, _SHEET_END = b"<sheetData>", b"</sheetData>", b"</worksheet>"
_ROW = b"<row "
# Comments and their like could hide rows.
_ASIDE = b"<!"
_DECLARED = re.compile(rb'(?:<\?xml [^>]*encoding=["\'](?i:utf-8)["\'][^>]*\?>|(?!<\?))')
_WHOLE_ROW = re.compile(rb'<row r="[0-9]+"[^<>]*>.*?</row>', re.DOTALL)
_ROW_BEGIN = re.compile(rb'<row r="[0-9]+"[^<>/]*>')
_CELL = re.compile(
    rb'<c r="([A-Z]{1,3})[0-9]+"([^<>/]*)(?:/>|(>(?:<v>|<is><t(?: xml:space="preserve")?>))'
    rb"([^<]+)(</v></c>|</t></is></c>))"
)
_TYPE = re.compile(rb' t="([A-Za-z]+)"')
_NUMBER, _TEXT, _SHARED, _TRUTH = b"n", b"inlineStr", b"s", b"b"
_NUMBER_TEXT, _ANY_TEXT = rb"-?[0-9][-0-9.eE+]*", rb"[^<]+"


class _UnlearnedError(Exception):
    """Rows that are written in another way than those before."""

    def __init__(self, rows: Sequence[bytes]) -> None:
        super().__init__()
        self.rows = rows


class _Form(NamedTuple):
    """How a cell is written: what stands between its name and its text, and behind that."""

    before: bytes
    after: bytes

    @property
    def type(self) -> bytes:
        found = _TYPE.search(self.before)
        return found[1] if found else _NUMBER


@dataclass(slots=True)
class _Reading:
    """How texts of one form become cells; `known` are those the reader was asked about."""

    kind: bytes
    known: dict[bytes, Any] = field(default_factory=dict)


class Rows(NamedTuple):
    """Rows one below the other: the number of the first, and their cells by column, from 0.

    A column is an Arrow array of numbers or texts with NULL for gaps, or cells as the reader gives
    them.
    """

    first: int
    row_count: int
    columns: dict[int, Any]


class PatternRows:
    """The rows of one sheet; `head` are the first as the reader gives them."""

    def __init__(self, archive: zipfile.ZipFile, member: str, name: str) -> None:
        """Reads the head. Raises UnlikeRowsError, and what the reader raises."""
        self._archive, self._member, self._name = archive, member, name
        self._parts = WorkbookParts(archive, member)
        self._readings: dict[_Form, _Reading] = {}
        self._columns: dict[int, list[_Form]] = {}
        self._pattern = re.compile(b"")
        self._misses = 0
        self._tail = b""
        with archive.open(member) as stream:
            begun = stream.read(_CHUNK_BYTES)
        at = begun.find(_DATA)
        if at < 0 or _ASIDE in begun or not _DECLARED.match(begun):
            raise UnlikeRowsError
        self._before = begun[: at + len(_DATA)]
        self._first_rows = _whole_rows(begun, len(self._before), _LEARNED_ROWS)
        head = b"".join(self._first_rows[:HEAD_ROWS])
        self.head: list[list[Any]] = self._sheet(head, _DATA_END + _SHEET_END).to_python(
            skip_empty_area=False
        )
        self._numbers = [int(row.split(b'"', 2)[1]) for row in self._first_rows]
        if len(self._numbers) < HEAD_ROWS or len(self.head) != self._numbers[HEAD_ROWS - 1]:
            raise UnlikeRowsError

    def _sheet(self, rows: bytes, tail: bytes) -> Any:
        content = self._before + rows + tail
        return self._parts.sheet(content, self._name, with_texts=bool(rows))

    def bytes_above(self, header_at: int) -> bytes:
        """Of the sheet, down to its header."""
        return self._before + b"".join(self._first_rows[: self._count_above(header_at)])

    def _count_above(self, header_at: int) -> int:
        """How many rows stand above the data; blank ones may be left out."""
        return bisect_right(self._numbers, header_at + 1)

    def groups(self, header_at: int, size: int) -> list[Rows]:
        """The rows below the header, so many at a time. Raises as the constructor does."""
        lessons = self._first_rows[self._count_above(header_at) :]
        for _ in range(_MOST_LESSONS):
            self._learn(lessons)
            try:
                found = list(self._groups(header_at, size))
            except _UnlearnedError as error:
                lessons = list(error.rows)
            else:
                self._check_head(found, header_at)
                return found
        raise UnlikeRowsError

    def merged_count(self) -> int:
        """How many merged ranges the sheet has, when its rows were read."""
        sheet = self._sheet(b"", self._tail)
        return len(sheet.merged_cell_ranges or ())

    def _learn(self, rows: Sequence[bytes]) -> None:
        """Take what is new in these rows into the pattern."""
        for row in rows:
            for letters, form in _cells_of(row)[1]:
                forms = self._columns.setdefault(column_index(letters.decode()), [])
                if form not in forms:
                    forms.append(form)
                    self._reading(form)
                    if len(forms) > _MOST_FORMS:
                        raise UnlikeRowsError
        if not self._columns or len(self._columns) > _MOST_COLUMNS:
            raise UnlikeRowsError
        self._columns = dict(sorted(self._columns.items()))
        self._pattern = self._compiled()

    def _compiled(self) -> re.Pattern[bytes]:
        pieces = [rb'<row r="([0-9]+)"[^<>]*>']
        for at, forms in self._columns.items():
            ways = []
            for form in forms:
                text = _NUMBER_TEXT if form.type == _NUMBER else _ANY_TEXT
                inner = b"(" + text + b")" + re.escape(form.after) if form.after else b""
                ways.append(re.escape(form.before) + inner)
            name = column_letters(at).encode()
            pieces.append(rb'(?:<c r="' + name + rb'\1"(?:' + b"|".join(ways) + b"))?")
        return re.compile(b"".join((*pieces, ROW_END)))

    def _groups(self, header_at: int, size: int) -> Iterator[Rows]:
        first = header_at + 2
        held: list[Any] = []
        for window in self._windows(len(self.bytes_above(header_at))):
            rest = window
            while rest:
                here = first + len(held)
                content, rest = _of_as_many_digits(rest, here)
                if alike := self._alike(content, here):
                    if held:
                        yield self._group(first, held)
                    yield alike
                    first, held = here + alike.row_count, []
                else:
                    held += self._matched(content)
                while len(held) >= size:
                    yield self._group(first, held[:size])
                    del held[:size]
                    first += size
        if held:
            yield self._group(first, held)

    def _alike(self, content: bytes, first: int) -> Rows | None:
        """Rows that are all written as the first of them is; None where they are not."""
        if first < _LEAST_ALIKE or self._misses == _MOST_MISSES:
            return None
        row = content[: content.find(ROW_END) + len(ROW_END)]
        if not self._pattern.fullmatch(row):
            return None
        begin, cells = _cells_of(row)
        frames = [CellFrame(letters, form.before, form.after) for letters, form in cells]
        found = values_of_alike(content, begin, frames, first)
        if found is None:
            self._misses += 1
            return None
        self._misses = 0
        values = iter(found)
        count = len(found[0])
        columns: dict[int, Any] = {at: pa.nulls(count, pa.string()) for at in self._columns}
        for letters, form in cells:
            if form.after:
                columns[column_index(letters.decode())] = self._column(form, next(values))
        if has_blank_row(columns.values(), count):
            raise UnlikeRowsError
        return Rows(first, count, columns)

    def _column(self, form: _Form, values: Any) -> Any:
        """Cells of one form, by an array of their bytes."""
        reading = self._readings[form]
        if reading.kind == _NUMBER:
            return numbers_of_bytes(values)
        if reading.kind == _TEXT and not are_odd(values):
            return values.cast(pa.string())
        encoded = values.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        known = self._asked(form, reading, set(texts))
        cells = [known[text] for text in texts]
        if reading.kind in (_TEXT, _SHARED):
            return text_array([cell or None for cell in cells]).take(encoded.indices)
        return tuple(map(cells.__getitem__, encoded.indices.to_pylist()))

    def _windows(self, start: int) -> Iterator[bytes]:
        """All rows, a stretch at a time; afterwards it is known what follows them."""
        rest, self._tail = b"", b""
        for chunk in self._chunks(start):
            if self._tail:
                self._tail += chunk
                if len(self._tail) > _MOST_TAIL_BYTES:
                    raise UnlikeRowsError
                continue
            window = rest + chunk
            end = window.find(_DATA_END)
            cut = end if end >= 0 else window.rfind(ROW_END) + len(ROW_END)
            if cut < len(ROW_END) and end < 0:
                raise UnlikeRowsError
            if cut:
                yield window[:cut]
            rest = window[cut:]
            if end >= 0:
                self._tail = rest
        if not self._tail:
            raise UnlikeRowsError

    def _chunks(self, start: int) -> Iterator[bytes]:
        """From a byte on; unpacked beside what is done with them."""
        with self._archive.open(self._member) as stream, ThreadPoolExecutor(1) as beside:
            stream.read(start)
            coming = beside.submit(stream.read, _CHUNK_BYTES)
            while chunk := coming.result():
                coming = beside.submit(stream.read, _CHUNK_BYTES)
                yield chunk

    def _matched(self, content: bytes) -> list[Any]:
        found = self._pattern.findall(content)
        count = content.count(_ROW)
        if len(found) < count:
            raise _UnlearnedError(self._unmatched(content))
        is_whole = content.startswith(_ROW) and content.endswith(ROW_END)
        # More ends than rows: behind the last are rows that begin otherwise, such as `<row>`.
        is_counted = content.count(ROW_END) == count
        if not is_whole or not is_counted or content.count(ROW_END + _ROW) != count - 1:
            raise UnlikeRowsError
        return found

    def _unmatched(self, content: bytes) -> list[bytes]:
        at = 0
        while found := self._pattern.match(content, at):
            at = found.end()
        rows = _whole_rows(content, at, _LEARNED_ROWS)
        if not rows:
            raise UnlikeRowsError
        return rows

    def _group(self, first: int, records: Sequence[Any]) -> Rows:
        pieces = list(zip(*records, strict=True))
        count = len(records)
        if list(map(int, pieces[0])) != list(range(first, first + count)):
            raise UnlikeRowsError
        columns, at = {}, 1
        for place, forms in self._columns.items():
            written = [form for form in forms if form.after]
            texts = pieces[at : at + len(written)]
            at += len(written)
            columns[place] = self._cells(written, texts, count)
        if has_blank_row(columns.values(), count):
            raise UnlikeRowsError
        return Rows(first, count, columns)

    def _cells(self, forms: Sequence[_Form], texts: Sequence[Sequence[bytes]], count: int) -> Any:
        """Cells of one column; a text is empty where the cell is written in another form."""
        if not forms:
            return pa.nulls(count, pa.string())
        readings = [self._readings[form] for form in forms]
        kinds = {reading.kind for reading in readings}
        if kinds == {_NUMBER}:
            return numbers(side_by_side(texts))
        if kinds == {_TEXT} and not any(map(may_be_odd, texts)):
            return text_array(side_by_side(texts))
        cells: list[Any] = [""] * count
        for form, reading, column in zip(forms, readings, texts, strict=True):
            known = self._asked(form, reading, set(column))
            if len(forms) == 1:
                cells = [known[text] for text in column]
            else:
                cells = [
                    known[text] if text else old for text, old in zip(column, cells, strict=True)
                ]
        return (
            text_array([cell or None for cell in cells])
            if kinds <= {_TEXT, _SHARED}
            else tuple(cells)
        )

    def _asked(self, form: _Form, reading: _Reading, wanted: set[bytes]) -> dict[bytes, Any]:
        """Cells of these texts; the reader is asked about those that are new."""
        known = reading.known
        if len(known) > _MOST_KNOWN and reading.kind != _SHARED:
            known.clear()
        known[b""] = ""
        new = list(wanted - known.keys())
        if not new:
            return known
        if reading.kind == _SHARED:
            # Not one that is there.
            raise UnlikeRowsError
        if reading.kind == _TEXT:
            try:
                plain = {one: text for one in new if not is_odd(text := one.decode())}
            except UnicodeDecodeError as error:
                raise UnlikeRowsError from error
            known.update(plain)
            new = [one for one in new if one not in plain]
        elif reading.kind == _NUMBER:
            known.update({one: number(one) for one in new})
            return known
        if new:
            known.update(zip(new, self._read(form, new), strict=True))
        return known

    def _read(self, form: _Form, texts: Sequence[bytes], *, with_texts: bool = False) -> list[Any]:
        cells = [form.before + text + form.after for text in texts]
        return self._parts.cells(self._before, cells, self._name, with_texts=with_texts)

    def _reading(self, form: _Form) -> None:
        """Find out how cells of a new form are read."""
        if form in self._readings:
            return
        if not form.after:
            # The reader may find no cell in it at all.
            if self._read(form, [b""]) != [""]:
                raise UnlikeRowsError
            self._readings[form] = _Reading(b"")
            return
        kind, is_value = form.type, form.after.startswith(b"</v>")
        if is_value != form.before.endswith(b"<v>") or is_value == (kind == _TEXT):
            raise UnlikeRowsError
        reading = _Reading(kind)
        if kind == _NUMBER and type(self._read(form, [b"1.5"])[0]) is not float:
            # A date or time: each is asked for.
            reading.kind = b""
        elif kind == _SHARED:
            count = self._parts.text_count
            if not 0 < count <= _MOST_TEXTS:
                raise UnlikeRowsError
            indices = [b"%d" % at for at in range(count)]
            cells = self._read(form, indices, with_texts=True)
            reading.known = dict(zip(indices, cells, strict=True))
            if set(map(type, cells)) != {str}:
                raise UnlikeRowsError
        elif kind not in (_NUMBER, _TEXT, _TRUTH):
            raise UnlikeRowsError
        self._readings[form] = reading

    def _check_head(self, groups: Sequence[Rows], header_at: int) -> None:
        """The reader's own first rows must be the same."""
        shown = self.head[header_at + 1 :]
        for rows in groups:
            own, shown = shown[: rows.row_count], shown[rows.row_count :]
            for place, column in rows.columns.items():
                cells = column[: len(own)]
                if isinstance(cells, pa.Array):
                    cells = ["" if cell is None else cell for cell in cells.to_pylist()]
                read = [row[place] if place < len(row) else "" for row in own][: len(cells)]
                if list(map(type, cells)) != list(map(type, read)) or list(cells) != read:
                    raise UnlikeRowsError
            if not shown:
                break


def _cells_of(row: bytes) -> tuple[bytes, list[tuple[bytes, _Form]]]:
    """How a row begins, and its cells by their letters. Raises UnlikeRowsError."""
    begin = _ROW_BEGIN.match(row)
    at = begin.end() if begin else 0
    found = []
    while cell := _CELL.match(row, at):
        at = cell.end()
        letters, attributes, inner, _, after = cell.groups()
        whole = _Form(attributes + inner, after) if after else _Form(attributes + b"/>", b"")
        found.append((letters, whole))
    if begin is None or row[at:] != ROW_END:
        raise UnlikeRowsError
    return begin[0], found


def _of_as_many_digits(content: bytes, number: int) -> tuple[bytes, bytes]:
    """Rows from that number on whose numbers are as long, or still short, and those behind them."""
    longer = max(10 ** len(str(number)), _LEAST_ALIKE)
    if number + len(content) // _LEAST_ROW_BYTES < longer:
        return content, b""
    at = content.find(ROW_BEGIN + b'%d"' % longer)
    return (content[:at], content[at:]) if at > 0 else (content, b"")


def _whole_rows(content: bytes, at: int, most: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < most and (row := _WHOLE_ROW.match(content, at)):
        found.append(row[0])
        at = row.end()
    return found
