"""Generated files with every pollution of the literature, read without a hint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter, DelimitedTable
from kmflow_orchestration.converters.delimited_decision import decide
from kmflow_orchestration.converters.delimited_options import DelimitedOptions
from kmflow_orchestration.converters.delimited_reader import keeps_the_rules
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration_tests.converters.reading import all_values, rows
from kmflow_orchestration_tests.corpus.delimited_files import (
    POLLUTIONS,
    DelimitedFile,
    difference,
    generated,
)


def written(file: DelimitedFile, folder: Path) -> Source:
    path = folder / file.name
    path.write_bytes(file.content)
    return Source(path, file.name)


def found(source: Source) -> list[tuple[list[str], Sequence[tuple[str | None, ...]]]]:
    tables = DelimitedConverter().open_tables(source)
    return [
        (
            [fact.source_name for fact in table.facts],
            rows(table, dict.fromkeys((fact.name for fact in table.facts), STRING)),
        )
        for table in tables
    ]


@pytest.mark.parametrize("position", range(len(POLLUTIONS)), ids=list(POLLUTIONS))
def test_a_file_with_one_pollution_is_read_without_a_hint(position: int, tmp_path: Path) -> None:
    for number in range(position, 3 * len(POLLUTIONS), len(POLLUTIONS)):
        file = generated(number)

        assert difference(file, found(written(file, tmp_path))) == "", file.name


def test_of_files_with_several_pollutions_hardly_any_is_misread(tmp_path: Path) -> None:
    files = [generated(number) for number in range(2000, 2150)]

    misread = [file.name for file in files if difference(file, found(written(file, tmp_path)))]
    assert len(misread) <= 1, misread


def test_both_readers_read_a_file_alike(tmp_path: Path) -> None:
    compared = 0
    for number in range(2000, 2120):
        decision, readings = decide(written(generated(number), tmp_path), DelimitedOptions())
        for reading in readings:
            if not keeps_the_rules(reading):
                continue
            careful = DelimitedTable(reading, decision)
            fast = DelimitedTable(replace(reading, is_careful=False), decision)
            compared += fast._reading.is_careful is False
            assert all_values(fast) == all_values(careful), reading.path
            assert (fast.facts, fast.receipt, fast.warnings) == (
                careful.facts,
                careful.receipt,
                careful.warnings,
            )
    assert compared > 60
