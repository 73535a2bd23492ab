"""Access databases (.mdb, .accdb): every table with the types of its schema (D29).

By our own reader: docs/decisions/0058 says what others lose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.access_databases.catalogue import (
    Catalogue,
    TableEntry,
    read_catalogue,
)
from kmflow_orchestration.converters.access_databases.definition import (
    Form,
    TableDefinition,
    read_definition,
)
from kmflow_orchestration.converters.access_databases.file_header import is_access
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.converters.access_databases.table import AccessTable, relations_of
from kmflow_orchestration.converters.interface import ROWS_DIFFER, ConversionWarning, Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.reading_steps import HearStep, ReadingStep
from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError

SKIPPED = "table_skipped"
AUTO = "auto"
_MOST_NAMED = 10
_SUFFIXES = (".mdb", ".accdb")


@dataclass(frozen=True, slots=True)
class AccessOptions(ReaderOptions):
    """`system_tables`: what the engine keeps for itself, and what a crash left, too."""

    system_tables: bool = False
    backend: str = AUTO

    def check(self) -> None:
        """Raises ConfigurationError for another reader than ours."""
        if self.backend != AUTO:
            hint = "leave it out: what others lose is in docs/decisions/0058"
            raise refused("backend", f"cannot be {self.backend!r}, there is {AUTO!r} alone", hint)


class AccessConverter(TableConverter):
    """Jet 3 and 4, and ACE from 2007 on; keys and relations stand in the receipts."""

    name: ClassVar[str] = "access"
    version: ClassVar[str] = "3"
    media_types: ClassVar[tuple[str, ...]] = (media_types.ACCESS,)
    suffixes: ClassVar[tuple[str, ...]] = _SUFFIXES
    reader_options: ClassVar[type[ReaderOptions]] = AccessOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By its first bytes."""
        return 1.0 if is_access(head) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[AccessTable]:
        """Tables by name; one that cannot be read is told as a warning of the first.

        Raises:
            CorruptInput: a database whose catalogue cannot be read, or none of its tables.
            PasswordRequiredError: it is encrypted.
            ConfigurationError: an unknown option.
        """
        return self.open_telling(source, options, lambda *_: None)

    def open_telling(
        self, source: Source, options: Mapping[str, Any] | None, hear: HearStep
    ) -> Sequence[AccessTable]:
        """See TellsSteps; raises as `open_tables` does."""
        given = AccessOptions.parse(options)
        reading = _Reading(Pages(source.path), self.origin(source), source, hear)
        return reading.tables(with_system=given.system_tables)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A table that is to be read, and those that hold values of its columns."""

    part: str
    definition: TableDefinition
    values: tuple[_Planned, ...] = ()

    @property
    def all(self) -> tuple[_Planned, ...]:
        return (self, *self.values)


class _Reading:
    """One database while its tables are read."""

    def __init__(self, pages: Pages, origin: Origin, source: Source, hear: HearStep) -> None:
        self._pages, self._origin, self._hear = pages, origin, hear
        self._engine = pages.header.engine
        hear(ReadingStep.ANALYSE, 0, 0, f"{self._engine}, {pages.count:,} pages")
        self._catalogue = read_catalogue(pages)
        self._failed: list[CorruptInput] = []
        self._rows = self._of_rows = 0
        self._warnings = list(_told(self._catalogue))
        if source.suffix in _SUFFIXES and source.suffix != self._engine.suffix:
            text = f"the name ends in {source.suffix}, the content is of {self._engine}"
            self._warnings.insert(0, ConversionWarning("type_mismatch", text))

    def tables(self, *, with_system: bool) -> Sequence[AccessTable]:
        """See AccessConverter."""
        if not with_system:
            text = "it was left out, since the engine marks it as its own: --system-tables takes it"
            self._warnings += [
                ConversionWarning("system_table", text, f"table {name}")
                for name in self._catalogue.marked
            ]
        found = [table for one in self._planned(with_system) for table in self._read(one)]
        if not found and self._failed:
            raise self._failed[0]
        if not found:
            raise CorruptInput("the database holds no table of its own", reason="empty")
        found[0].warnings = (*self._warnings, *found[0].warnings)
        return found

    def _planned(self, with_system: bool) -> Sequence[_Planned]:
        """What is to be read, with what the database itself says of it told."""
        catalogue = self._catalogue
        wanted = [one for one in catalogue.tables if with_system or not one.is_system]
        links, queries = len(catalogue.links), len(catalogue.queries)
        told = f"{len(wanted)} tables, {links} linked, {queries} queries"
        self._hear(ReadingStep.LIST, 0, 0, told)
        planned = [one for entry in wanted for one in self._defined(entry)]
        parts = [part for one in planned for part in one.all]
        self._of_rows = sum(one.definition.rows for one in parts)
        told = f"{self._of_rows:,} rows in {len(parts)} tables"
        self._hear(ReadingStep.COUNT, 0, self._of_rows, told)
        named = [f"{one.part} {one.definition.rows:,}" for one in parts[:_MOST_NAMED]]
        named += [f"{len(parts) - _MOST_NAMED} more"] if len(parts) > _MOST_NAMED else []
        self._hear(ReadingStep.SUMMARY, 0, self._of_rows, ", ".join(named))
        return planned

    def _defined(self, entry: TableEntry) -> Iterator[_Planned]:
        try:
            table = read_definition(self._pages, entry.page)
        except CorruptInput as error:
            self._lost(entry.name, error)
            return
        complex_ones = [one.name for one in table.columns if one.form is Form.COMPLEX]
        values = [one for name in complex_ones for one in self._values(entry, name)]
        yield _Planned(entry.name, table, tuple(values))

    def _values(self, entry: TableEntry, column: str) -> Iterator[_Planned]:
        """The rows that the numbers in a column of several values stand for."""
        part = f"{entry.name}.{column}"
        page = self._catalogue.value_tables.get((entry.page, column))
        if page is None:
            self._lost(part, CorruptInput("nothing says where its values lie"))
            return
        try:
            yield _Planned(part, read_definition(self._pages, page))
        except CorruptInput as error:
            self._lost(part, error)

    def _read(self, planned: _Planned) -> Iterator[AccessTable]:
        try:
            yield self._table(planned.part, planned.definition)
        except CorruptInput as error:
            self._lost(planned.part, error)
            return
        for one in planned.values:
            yield from self._read(one)

    def _table(self, part: str, table: TableDefinition) -> AccessTable:
        about = {
            "engine": str(self._engine),
            **dict(relations_of(part, self._catalogue.relations)),
        }
        before = self._rows

        def read(rows: int) -> None:
            self._rows = before + rows
            self._hear(ReadingStep.ROWS, self._rows, self._of_rows, part)

        read(0)
        return AccessTable(part, table, self._pages, self._origin, about=about, on_rows=read)

    def _lost(self, part: str, error: CorruptInput) -> None:
        if isinstance(error, PasswordRequiredError):
            raise error
        self._failed.append(error)
        self._warnings.append(ConversionWarning(SKIPPED, error.message, f"table {part}"))


def _told(catalogue: Catalogue) -> Iterator[ConversionWarning]:
    for name, target in catalogue.links:
        yield ConversionWarning(
            "linked_table", f"its rows lie elsewhere: {target}", f"table {name}"
        )
    for name in catalogue.queries:
        yield ConversionWarning("saved_query", "a query is no table", f"query {name}")
    if catalogue.missing:
        text = f"there may be more tables: {catalogue.missing}"
        yield ConversionWarning(ROWS_DIFFER, text, "the list of tables")
    if catalogue.told:
        text = f"what columns and relations say of each other cannot be read: {catalogue.told}"
        yield ConversionWarning("relations_unread", text)
