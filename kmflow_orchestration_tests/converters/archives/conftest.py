"""Archives as their converter opens them, and where their files lie meanwhile."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.converters.archives.converter import ArchiveConverter
from kmflow_orchestration.converters.archives.limits import ArchiveLimits
from kmflow_orchestration.converters.archives.tables import Member, MembersTable
from kmflow_orchestration.converters.interface import ConvertedTable, Source
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration_tests.converters.archives.bundles import (
    CSV,
    Files,
)
from kmflow_orchestration_tests.converters.conftest import Writes

FILES: Files = {
    "b/notes.txt": b"Dear all,\n\nplease find the notes.\n",
    "a/loans.csv": CSV,
    "c.json": b'[{"a": 1}]',
}


class Bundle:
    """An archive as the converter opened it."""

    def __init__(self, source: Source, converter: ArchiveConverter) -> None:
        members, *self.tables = converter.open_tables(source)
        assert isinstance(members, MembersTable)
        self.list: MembersTable = members
        self.members: tuple[Member, ...] = members.members
        self.text = [(block.location, block.text) for block in converter.open_text(source)]

    @property
    def fates(self) -> dict[str, str]:
        return {one.path: one.reason or one.fate for one in self.members}

    @property
    def by_part(self) -> dict[str, ConvertedTable]:
        return {table.part: table for table in self.tables}

    @property
    def warned(self) -> list[tuple[str, str]]:
        return [(one.code, one.location) for one in self.list.warnings]


Opens = Callable[..., Bundle]


@pytest.fixture
def opened(source: Writes) -> Opens:
    def open_bundle(content: bytes, name: str = "a.zip", **limits: int) -> Bundle:
        return Bundle(
            source(content, name), ArchiveConverter(default_converters, ArchiveLimits(**limits))
        )

    return open_bundle


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where files lie while they are read."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    gc.collect()
    assert list(folder.iterdir()) == []


@pytest.fixture
def few_open_files() -> Iterator[None]:
    """This process may open some forty files more than it has open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one + 40, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
