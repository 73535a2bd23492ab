"""How many polluted delimited files each reader loads, without and with the right parameters."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.csv_readers import READERS, Reader, Tables
from benchmarks.report import Section, verdict
from kmflow_orchestration_tests.corpus.delimited_files import DelimitedFile, difference, generated

_FIRST, _FILES = 100_000, 2_000
# What no parameter of a reader says: it takes one table and one header row.
_BEYOND_PARAMETERS = frozenset(
    {
        "two_tables", "two_titled_tables", "grouped_header", "unit_header", "repeated_header",
        "footer", "footer_after_blank", "delimited_footer", "prose_footer",
    }
)  # fmt: skip


@dataclass
class _Score:
    """Tallies of one reader; mutable while it reads."""

    files: int = 0
    loaded: int = 0
    exact: int = 0
    simple: int = 0
    exact_simple: int = 0
    cells: float = 0.0
    seconds: float = 0.0
    failing: Counter[str] = field(default_factory=Counter)

    def add(self, file: DelimitedFile, found: Tables | None) -> None:
        is_simple = not _BEYOND_PARAMETERS & set(file.pollutions)
        is_exact = found is not None and not difference(file, found)
        self.files += 1
        self.loaded += found is not None
        self.exact += is_exact
        self.simple += is_simple
        self.exact_simple += is_exact and is_simple
        self.cells += _cell_score(file, found) if found is not None else 0.0
        if not is_exact:
            self.failing.update(file.pollutions or ("clean",))


def _cell_score(file: DelimitedFile, found: Tables) -> float:
    """F1 of the cells of data, wherever they stand: the cell measure of the Pollock benchmark."""
    wanted = Counter(cell or "" for table in file.tables for row in table.rows for cell in row)
    got = Counter(cell or "" for _, rows in found for row in rows for cell in row)
    common = (wanted & got).total()
    return 2 * common / (wanted.total() + got.total()) if common else 0.0


def _read(reader: Reader, path: Path, file: DelimitedFile) -> Tables | None:
    # A reader may refuse a file in any way it likes: the file counts as not loaded.
    try:
        return reader(path, file)
    except Exception:  # noqa: BLE001
        return None


def run(_: argparse.Namespace) -> Section:
    """Read every file with every reader."""
    scores = {name: _Score() for name in READERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_FIRST, _FIRST + _FILES):
            file = generated(number)
            path = Path(folder) / file.name
            path.write_bytes(file.content)
            for name, reader in READERS.items():
                began = time.perf_counter()
                found = _read(reader, path, file)
                scores[name].seconds += time.perf_counter() - began
                scores[name].add(file, found)
            path.unlink()
    return _section(scores)


def _section(scores: dict[str, _Score]) -> Section:
    own = scores["kmflow, no parameters"]
    told = scores["DuckDB, the right parameters"]
    goal = "exactly loaded above DuckDB with the right parameters"
    simple = "the same where parameters can say everything"
    return Section(
        "Delimited files without parameters",
        f"{own.files} generated files with up to four pollutions of the literature each, over "
        "seven delimiters, two quotes and seven encodings. Exact: every name and cell is right. "
        "Cells: mean F1 of cells. Expressible: files of one table with one header row and no "
        "footers. The files are ours, so are the heuristics: read it beside the real files.",
        "make bench ARGS=csv_detection",
        ("reader", "loads", "exact", "exact, expressible", "cells", "ms a file"),
        tuple(_row(name, score) for name, score in scores.items()),
        (
            verdict(goal, own.exact > told.exact, f"{_rate(own.exact, own.files)} and "
                    f"{_rate(told.exact, told.files)}"),
            verdict(simple, own.exact_simple > told.exact_simple,
                    f"{_rate(own.exact_simple, own.simple)} and "
                    f"{_rate(told.exact_simple, told.simple)}"),
            *(f"{name} fails most on: {_worst(score)}" for name, score in scores.items()),
        ),
    )  # fmt: skip


def _row(name: str, score: _Score) -> tuple[str, ...]:
    return (
        name,
        _rate(score.loaded, score.files),
        _rate(score.exact, score.files),
        _rate(score.exact_simple, score.simple),
        f"{score.cells / score.files:.3f}",
        f"{1000 * score.seconds / score.files:.1f}",
    )


def _rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _worst(score: _Score) -> str:
    return ", ".join(f"{name} ({count})" for name, count in score.failing.most_common(4))
