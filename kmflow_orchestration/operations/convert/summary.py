"""`_summary.xlsx`: what was converted, its columns, its first rows, what went wrong (row D43)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kmflow_orchestration.errors import OutputExistsError
from kmflow_orchestration.operations.convert.conversion_report import column_rows, file_rows
from kmflow_orchestration.operations.convert.plain_workbook import Sheet, write_workbook
from kmflow_orchestration.operations.convert.summary_names import (
    SUMMARY,
    is_summary,
    summary_name,
)
from kmflow_orchestration.redaction import redacted
from kmflow_orchestration.storage.whole_files import replacing

_FIRST_ROWS = 10
# A cell of a preview: nobody reads on in it.
_MOST_CHARACTERS = 1000


def summary_place(folder: Path, outputs: Sequence[str] = ()) -> Path:
    """Where a summary goes: into the folder of results; that of one file alone bears its name.

    Raises:
        OutputExistsError: there is a file that is no summary of ours.
    """
    place = folder / SUMMARY
    if len(outputs) == 1:
        place = folder / summary_name(Path(outputs[0]).name)
    if (place.exists() or place.is_symlink()) and not is_summary(place):
        raise OutputExistsError(f"{place} is there already", hint="move it away, or name another")
    return place


def write_summary(path: Path, told: Mapping[str, Any]) -> None:
    """Write what `FolderOutcome.as_dict` tells and the first rows of each result, file by file.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write_workbook(temporary, _sheets(redacted(told["files"])))


def _sheets(files: Sequence[Mapping[str, Any]]) -> Iterator[Sheet]:
    yield "overview", file_rows(files)
    yield "schema", column_rows(files)
    yield "first rows", _first_rows(files)
    yield "errors", _errors(files)


def _first_rows(files: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    yield ("file", "output", "row", "values")
    for one in files:
        for output in map(Path, one["outputs"]):
            if output.is_file():
                for at, row in enumerate(_head(output)):
                    values = redacted(tuple(map(_shown, row)))
                    yield (one["path"], output.name, at or "", *values)


def _shown(value: object) -> object:
    is_plain = value is None or isinstance(value, bool | int)
    return value if is_plain else str(value)[:_MOST_CHARACTERS]


def _head(path: Path) -> Iterator[Sequence[object]]:
    """Names and the first rows of a result; of a text, its first lines."""
    match path.suffix:
        case ".parquet":
            with pq.ParquetFile(path) as file:
                yield file.schema_arrow.names
                batch = next(file.iter_batches(_FIRST_ROWS), None)
                columns = [] if batch is None else [one.to_pylist() for one in batch.columns]
                yield from zip(*columns, strict=True)
        case ".jsonl":
            with path.open(encoding="utf-8") as stream:
                rows = [json.loads(line, parse_float=str) for line in islice(stream, _FIRST_ROWS)]
            yield list(rows[0]) if rows else ()
            yield from (list(row.values()) for row in rows)
        case _:
            delimiter = "," if path.suffix == ".csv" else "\t"
            with path.open(encoding="utf-8", newline="") as stream:
                yield from islice(csv.reader(stream, delimiter=delimiter), _FIRST_ROWS + 1)


def _errors(files: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    yield ("file", "code", "message", "hint")
    for one in files:
        if one["code"]:
            yield (one["path"], one["code"], one["message"], one["hint"])
        for missed in one["missed"]:
            yield (one["path"], "not in the result", missed, "")
