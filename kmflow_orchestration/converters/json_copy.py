"""Clean lines of JSON copied by DuckDB; see `proven_copy`.

Its reader of JSON keeps neither a number's digits nor a key that is there twice. Its reader of
delimited text does, where lines are cut at the keys of a template: each piece is proven to be the
key and a value, and the value to be a number, a text or a word as JSON has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.converters.json_template import (
    Census,
    Samples,
    Template,
    census_of,
    samples_of,
    template_of,
)
from kmflow_orchestration.converters.proven_copy import (
    MisfitError,
    ProvenCopy,
    TextColumn,
    TypedCopy,
    literal,
    may_copy,
)
from kmflow_orchestration.converters.record_cells import Form
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, Kind

_OF_TEXT = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ, Kind.EMPTY})
_OF_FORM = {Form.NUMBER: Kind.NUMBER, Form.BOOLEAN: Kind.BOOLEAN}
_FIRST_CHARACTERS = {'"': Form.TEXT, "t": Form.BOOLEAN, "f": Form.BOOLEAN}
# No file that may be copied holds it.
_NEVER = "\x01"


def copied_lines(path: Path, names: Sequence[str], template: Template, target: Path) -> TypedCopy:
    """Copy a file of UTF-8 without a mark into a Parquet file.

    Raises:
        MisfitError: it is not there, or not to be used.
    """
    samples = samples_of(path, template)
    census = None if samples is None else census_of(path)
    if samples is None or census is None:
        raise MisfitError("lines of another form")
    copy = _LinesCopy(path, target, names, template=template, samples=samples, census=census)
    return copy.done()


def template_for(path: Path) -> Template | None:
    """What the lines of a file have in common if it may be copied."""
    return template_of(path) if may_copy(path) else None


class _LinesCopy(ProvenCopy):
    def __init__(
        self,
        path: Path,
        target: Path,
        names: Sequence[str],
        *,
        template: Template,
        samples: Samples,
        census: Census,
    ) -> None:
        super().__init__(names, target, first_row=1, rows=census.lines)
        self._lines, self._template, self._census = path, template, census
        self._texts, self._forms = samples.texts, list(samples.forms)

    def _samples(self) -> list[list[pa.StringArray]]:
        return [[values] for values in self._texts]

    @property
    def _source(self) -> str:
        delimiter, never = self._template.delimiter, f"nullstr = {literal(_NEVER)}"
        return self._fields(self._lines, delimiter, "", never)

    def _column(self, at: int) -> TextColumn:
        piece, form = f"c{at}", self._forms[at]
        before, behind = self._template.before(at), self._template.behind(at)
        is_null = f"{piece} = {literal(f'{before}null{behind}')}"
        if not form:
            return TextColumn("NULL::VARCHAR", is_null, "false")
        value = _middle(piece, len(before), len(behind))
        if form == Form.BOOLEAN:
            words = ", ".join(literal(f"{before}{word}{behind}") for word in ("true", "false"))
            return TextColumn(value, is_null, f"{piece} IN ({words})")
        if form == Form.NUMBER:
            return TextColumn(value, is_null, _stands_between(piece, before, behind))
        text = _middle(piece, len(before) + 1, len(behind) + 1)
        is_sound = _stands_between(piece, f'{before}"', f'"{behind}')
        if not self._census.has_escapes:
            return TextColumn(text, is_null, is_sound)
        has_escape = f"contains({piece}, '\\')"
        is_sound += (
            f" AND CASE WHEN {has_escape} THEN json_valid({value}) "
            f"ELSE NOT contains({text}, '\"') END"
        )
        read = f"json_extract_string({value}, '$')"
        return TextColumn(f"CASE WHEN {has_escape} THEN {read} ELSE {text} END", is_null, is_sound)

    def _narrowed(self, at: int, kind: ColumnType) -> ColumnType:
        form = self._forms[at]
        if form == Form.TEXT:
            return kind if kind.kind in _OF_TEXT else STRING
        if form and kind.kind is not _OF_FORM[form]:
            raise MisfitError("a form of its own")
        return kind

    def _observed(self, at: int) -> ColumnType:
        if not self._forms[at]:
            self._forms[at] = self._form_of_first(at)
        return super()._observed(at)

    def _form_of_first(self, at: int) -> int:
        """The form of the first value of a column that had none in the samples."""
        before = self._template.before(at)
        value = f"substring(c{at}, {len(before) + 1}, 1)"
        is_null = self._column(at).is_null
        query = f"SELECT {value} FROM {self._source} WHERE NOT {is_null} LIMIT 1"
        found = self._engine.execute(query).fetchall()
        if not found:
            raise MisfitError("no value")
        return _FIRST_CHARACTERS.get(found[0][0], Form.NUMBER)

    def _check(self, _: Sequence[ColumnType], nulls: Sequence[int]) -> None:
        """Whether the quotes are those of keys and texts: then no text has one within."""
        if self._census.has_escapes:
            return
        texts = sum(
            self._rows - count
            for form, count in zip(self._forms, nulls, strict=True)
            if form == Form.TEXT
        )
        if self._census.quotes != 2 * (len(self._names) * self._rows + texts):
            raise MisfitError("a quote within a text")


def _middle(piece: str, before: int, behind: int) -> str:
    """What is left of a text without so many characters at its ends."""
    size = f", length({piece}) - {before + behind}" if behind else ""
    return f"substring({piece}, {before + 1}{size})"


def _stands_between(piece: str, before: str, behind: str) -> str:
    """Whether a text begins and ends so."""
    begins = f"starts_with({piece}, {literal(before)})"
    if not behind:
        return begins
    size = len((before + behind).encode())
    return f"{begins} AND ends_with({piece}, {literal(behind)}) AND strlen({piece}) >= {size}"
