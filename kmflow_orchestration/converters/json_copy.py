"""Lines of JSON records copied by DuckDB; see `proven_copy`.

Its reader of JSON keeps neither a number's digits nor a key that is there twice. So it is given
columns of texts that are cut out of the lines (`json_cut`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.converters.json_blocks import CutStream, JsonLines, together
from kmflow_orchestration.converters.proven_copy import (
    MisfitError,
    ProvenCopy,
    TextColumn,
    TypedCopy,
)
from kmflow_orchestration.converters.record_cells import Form
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, Kind

_OF_TEXT = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ, Kind.EMPTY})
_OF_FORM = {Form.NUMBER: Kind.NUMBER, Form.BOOLEAN: Kind.BOOLEAN}


class LinesCopy(ProvenCopy):
    """A copy of all lines of a file of UTF-8 without a mark."""

    def __init__(self, lines: JsonLines, names: Sequence[str], target: Path) -> None:
        """Raises MisfitError: the lines are of another form."""
        super().__init__(names, target, first_row=1, rows=0)
        self._pieces = lines.samples()
        forms = [0] * len(names)
        for piece in self._pieces:
            forms = together(forms, piece.forms)
        self._stream = CutStream(lines, forms)

    @property
    def has_new_keys(self) -> bool:
        """Whether lines had keys that those had not which were looked at before."""
        return self._stream.has_new_keys

    @property
    def _source(self) -> str:
        return "lines"

    def _attempted(self) -> TypedCopy:
        self._engine.register(self._source, self._stream)
        return super()._attempted()

    def _samples(self) -> list[list[pa.StringArray]]:
        columns = zip(*(piece.columns for piece in self._pieces), strict=True)
        # As one array: each is looked at many times.
        texts = ([values.cast(pa.string()) for values in column] for column in columns)
        return [[pa.concat_arrays(values)] for values in texts]

    def _column(self, at: int) -> TextColumn:
        return TextColumn(f"c{at}", f"c{at} IS NULL")

    def _narrowed(self, at: int, kind: ColumnType) -> ColumnType:
        form = self._stream.forms[at]
        if form in (Form.TEXT, Form.NESTED):
            return kind if form == Form.TEXT and kind.kind in _OF_TEXT else STRING
        if form and kind.kind is not _OF_FORM[form]:
            raise MisfitError("a form of its own")
        return kind

    def _counted(self) -> tuple[list[int], int]:
        self._rows = self._stream.rows
        return super()._counted()

    def _check(self, types: Sequence[ColumnType], nulls: Sequence[int]) -> None:
        """Every value was proven when it was cut or cast."""
