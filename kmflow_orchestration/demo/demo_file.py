"""One file of the demo's evidence: its place, how its bytes come about, what is wrong with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from kmflow_orchestration.demo.business_tables import Columns
from kmflow_orchestration.demo.column_kit import Table, make_table, seeded
from kmflow_orchestration.demo.dirt import Dirt, stained
from kmflow_orchestration.demo.file_formats import delimited, workbook

Maker = Callable[[random.Random], bytes]


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file below a group's landing place. With `link_to` it is a symbolic link instead.

    Its content is seeded by its path and `words`: another word, another content of the same kind.
    A copy is seeded by the path of its original.
    """

    path: str
    make: Maker
    dirt: tuple[Dirt, ...] = ()
    side_file: Mapping[str, str] | None = None
    link_to: str = ""
    words: tuple[str, ...] = ()
    original: str = ""

    def content(self, group: str) -> bytes:
        """The same bytes for the same group and file, always."""
        return self.make(seeded(group, self.original or self.path, *self.words))

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


def copied(original: DemoFile, path: str) -> DemoFile:
    """The same bytes under another name."""
    return replace(
        original, path=path, original=original.path, dirt=(Dirt("duplicate_file"),), side_file=None
    )


def truncated(original: DemoFile) -> DemoFile:
    """The first two thirds of a file, as a broken transfer leaves it."""

    def make(rng: random.Random) -> bytes:
        whole = original.make(rng)
        return whole[: len(whole) * 2 // 3]

    return replace(original, make=make, dirt=(Dirt("truncated_workbook"),))


def delimited_file(
    path: str,
    columns: Columns,
    rows: int,
    *dirt: Dirt,
    delimiter: str = ",",
    encoding: str = "utf-8",
    side_file: Mapping[str, str] | None = None,
    words: tuple[str, ...] = (),
) -> DemoFile:
    """A CSV (or TSV) of a business table with its defects."""

    def make(rng: random.Random) -> bytes:
        return delimited(
            dirty_table(rng, columns, rows, dirt), delimiter=delimiter, encoding=encoding
        )

    return DemoFile(path, make, dirt, side_file, words=words)


def workbook_file(
    path: str,
    sheets: Mapping[str, tuple[Columns, int]],
    *dirt: Dirt,
    side_file: Mapping[str, str] | None = None,
    words: tuple[str, ...] = (),
) -> DemoFile:
    """A workbook; the defects are those of its first sheet."""

    def make(rng: random.Random) -> bytes:
        stains: tuple[Dirt, ...] = dirt
        tables: dict[str, Table] = {}
        for name, (columns, rows) in sheets.items():
            tables[name] = dirty_table(rng, columns, rows, stains)
            stains = ()
        return workbook(tables)

    return DemoFile(path, make, dirt, side_file, words=words)


def dirty_table(
    rng: random.Random, columns: Columns, rows: int, dirt: tuple[Dirt, ...] = ()
) -> Table:
    return stained(make_table(rng, rows, columns), dirt, rng)
