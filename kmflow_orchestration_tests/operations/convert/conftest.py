"""Local files to convert, and converters that fail in known ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pyarrow as pa
import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.converters.interface import ConvertedTable, Receipt, Source
from kmflow_orchestration.converters.registry import ConverterRegistry
from kmflow_orchestration.errors import ConfigurationError

LOANS = 'id,name,amount,opened\n1,Ann,10.50,2026-01-02\n2,"",,2026-02-03\n3,,7.25,2026-03-04\n'


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    """Three rows; a name is empty text in one and missing in another."""
    path = tmp_path / "in" / "loans.csv"
    path.parent.mkdir()
    path.write_text(LOANS)
    return path


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """Two sheets with values and one without."""
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "Loans 2026"
    for row in (["id", "amount"], [1, 2.5], [2, None]):
        first.append(row)
    second = book.create_sheet("People")
    for row in (["name"], ["Ann"]):
        second.append(row)
    book.create_sheet("Nothing")
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


@dataclass(frozen=True)
class Bent:
    """A table of a delimited file, bent after its types were proven."""

    table: ConvertedTable
    drops_rows: int = 0
    fails: type[Exception] | None = None
    rejects: int = 0

    part = ""

    @property
    def facts(self) -> Any:
        return self.table.facts

    @property
    def warnings(self) -> Any:
        return self.table.warnings

    @property
    def receipt(self) -> Receipt:
        told = self.table.receipt
        return replace(
            told,
            rows_written=told.rows_written - self.rejects,
            rows_rejected=self.rejects,
        )

    def batches(self, types: Any = None) -> Iterator[pa.RecordBatch]:
        for batch in self.table.batches(types):
            yield batch.slice(self.drops_rows + self.rejects)
        if self.fails is not None:
            raise self.fails("as it was told to")


@dataclass(frozen=True)
class Decision:
    """How a file is read, as converters of delimited files tell it."""

    confidence: float = 0.75
    certainty: str = "fairly sure"
    reasons: tuple[str, ...] = ("semicolons line up",)


class BentConverter(DelimitedConverter):
    """Reads CSV as the one that ships, takes an option, and bends what comes out."""

    name: ClassVar[str] = "bent"

    def __init__(self, **bends: Any) -> None:
        self.bends = bends
        self.given: Mapping[str, Any] | None = None

    def options(self) -> Mapping[str, Any]:
        return {"encoding": "", "header": "auto", "bad_lines": "fail"}

    def decide(self, source: Source) -> Decision:
        return Decision()

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        self.given = options
        if (options or {}).get("encoding") == "klingon":
            raise ConfigurationError("there is no encoding klingon", hint="such as cp1252")
        return [Bent(table, **self.bends) for table in super().open_tables(source)]


def only(converter: BentConverter) -> ConverterRegistry:
    return ConverterRegistry((converter,))


def names_in(folder: Path) -> set[str]:
    """Every file and folder below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
