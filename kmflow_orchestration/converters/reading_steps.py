"""The steps in which a database is read and written, told while they happen (row D17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # who shows the steps needs no Arrow
    from kmflow_orchestration.converters.interface import ConvertedTable, Source


class ReadingStep(StrEnum):
    """In their order; the first five are the reader's, the last is whoever writes its tables'."""

    ANALYSE = "analyse"
    LIST = "list tables"
    COUNT = "count found"
    SUMMARY = "summary"
    ROWS = "per-table rows"
    EXTRACTION = "extraction"


HearStep = Callable[[ReadingStep, int, int, str], None]
"""Hears (step, rows done of all tables, rows in all as far as known, what of it)."""


@runtime_checkable
class TellsSteps(Protocol):
    """A converter of databases, which may read for long before its first table is known."""

    def open_telling(
        self, source: Source, options: Mapping[str, Any] | None, hear: HearStep
    ) -> Sequence[ConvertedTable]:
        """`open_tables`, which tells each step, and of ROWS each table and how far it is."""
        ...
