"""Readers of delimited files to compare: each gives tables of names and rows of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kmflow_orchestration_tests.corpus.delimited_files import DelimitedFile, Row

Tables = Sequence[tuple[Sequence[str], Sequence[Row]]]
Reader = Callable[[Path, DelimitedFile], Tables]


def ours(path: Path, _: DelimitedFile) -> Tables:
    from kmflow_orchestration.converters.delimited import DelimitedConverter
    from kmflow_orchestration.converters.interface import Source
    from kmflow_orchestration.converters.type_lattice import STRING

    found = []
    for table in DelimitedConverter().open_tables(Source(path, path.name)):
        facts = table.facts
        batches = table.batches(dict.fromkeys((fact.name for fact in facts), STRING))
        rows = [tuple(row.values())[1:-1] for batch in batches for row in batch.to_pylist()]
        found.append(([fact.source_name for fact in facts], rows))
    return found


@cache
def _duckdb() -> Any:
    """One connection: opening it is no part of reading."""
    import duckdb

    return duckdb.connect()


def duckdb_auto(path: Path, _: DelimitedFile) -> Tables:
    found = _duckdb().execute("SELECT * FROM read_csv(?, all_varchar = true)", [str(path)])
    header = [column[0] for column in found.description or []]
    rows = found.fetchall()
    return [(_plain_names(header), _with_value(rows))]


def duckdb_told(path: Path, file: DelimitedFile) -> Tables:
    """DuckDB with all it can be told, columns and their names too, on the text as UTF-8."""
    recoded = path.with_suffix(".utf8")
    text = file.content.decode(file.encoding).removeprefix("\ufeff")
    recoded.write_text(text, encoding="utf-8", newline="")
    truth = file.tables[0]
    is_wider = {"long_row", "trailing_delimiters"} & set(file.pollutions)
    width = len(truth.rows[0]) + bool(is_wider)
    told: dict[str, Any] = {
        "delim": file.delimiter,
        "quote": file.quote,
        "escape": file.escape or file.quote,
        "header": truth.header is not None,
        "skip": 0 if file.has_comments else file.lines_above,
        "comment": "#" if file.has_comments else "",
        "null_padding": True,
        "strict_mode": False,
        "parallel": False,
        "auto_detect": False,
        "columns": {f"c{at}": "VARCHAR" for at in range(width)},
    }
    names = "".join(f", {name} = ${name}" for name in told)
    statement = f"SELECT * FROM read_csv($path{names})"
    rows = _duckdb().execute(statement, {"path": str(recoded), **told}).fetchall()
    recoded.unlink()
    return [(truth.header or [""] * width, _with_value(rows))]


def _with_value(rows: Sequence[Row]) -> list[Row]:
    """Rows without those that hold nothing: whether these count is a matter of taste."""
    return [row for row in rows if any(row)]


def _plain_names(names: Sequence[str]) -> list[str]:
    """Names as they stood in the file, where a reader numbers those that came again."""
    plain: list[str] = []
    for name in names:
        stem, _, number = name.rpartition("_" if "_" in name else ".")
        plain.append(stem if number.isdigit() and stem in plain else name)
    return plain


def pandas_sniffing(path: Path, _: DelimitedFile) -> Tables:
    import pandas as pd

    frame = pd.read_csv(
        io.StringIO(_decoded(path)),
        sep=None,
        engine="python",
        dtype=str,
        keep_default_na=False,
    )
    names = ["" if str(name).startswith("Unnamed: ") else str(name) for name in frame.columns]
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    return [(_plain_names(names), _with_value(list(rows)))]


def standard_sniffer(path: Path, _: DelimitedFile) -> Tables:
    text = _decoded(path)
    dialect = csv.Sniffer().sniff(text[:65536])
    records = _with_value(list(csv.reader(io.StringIO(text, newline=""), dialect)))
    if csv.Sniffer().has_header(text[:65536]):
        return [(_names(records[0]), records[1:])]
    return [([""] * len(records[0]), records)]


def clevercsv(path: Path, _: DelimitedFile) -> Tables:
    import clevercsv as other  # type: ignore[import-not-found]

    text = _decoded(path)
    dialect = other.Sniffer().sniff(text)
    records = _with_value(list(other.reader(io.StringIO(text, newline=""), dialect)))
    return [(_names(records[0]), records[1:])]


def _names(record: Row) -> list[str]:
    return [name or "" for name in record]


def _decoded(path: Path) -> str:
    """A file's text for readers that look for no encoding: UTF-8, else cp1252 as most guess."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


READERS: dict[str, Reader] = {
    "kmflow, no parameters": ours,
    "DuckDB, no parameters": duckdb_auto,
    "DuckDB, the right parameters": duckdb_told,
    "pandas, sniffing": pandas_sniffing,
    "csv.Sniffer": standard_sniffer,
}
if find_spec("clevercsv"):
    READERS["CleverCSV"] = clevercsv
