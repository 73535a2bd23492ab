"""What a conversion or a batch made of each file and table, as a file for people or programs (D17).

JSON tells all; a workbook and CSV tell it by table.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import InvalidOptions, UnsafePath
from kmflow_orchestration.operations.convert.layout import is_manifest_name
from kmflow_orchestration.operations.convert.plain_workbook import Sheet, write_workbook
from kmflow_orchestration.operations.convert.summary_names import is_ours
from kmflow_orchestration.redaction import redact, redacted
from kmflow_orchestration.storage.whole_files import replacing

JSON, CSV, WORKBOOK = ".json", ".csv", ".xlsx"
FILE_COLUMNS = (
    *("file", "status", "size_bytes", "rows", "tables", "seconds"),
    *("code", "message", "hint", "not_in_the_result", "warnings"),
)
TABLE_COLUMNS = (
    *("file", "status", "table", "output", "rows_in", "rows_out", "rows_rejected"),
    *("rows_skipped", "columns", "nulls", "seconds", "warnings", "code", "message"),
)
COLUMN_COLUMNS = ("file", "table", "output", "column", "in_the_source", "type", "nulls")


def check_report(path: Path) -> None:
    """Before any work.

    Raises:
        InvalidOptions: the name promises what no report is.
        UnsafePath: it is a manifest's.
    """
    if is_manifest_name(path.name):
        raise UnsafePath(f"{path} is a manifest's name, and no report goes there")
    if path.suffix.lower() not in {JSON, CSV, WORKBOOK, ""}:
        raise InvalidOptions(
            f"--report writes no {path.suffix}", hint=f"name it {JSON}, {WORKBOOK} or {CSV}"
        )


def write_conversion_report(path: Path, told: Mapping[str, Any]) -> None:
    """Write what `FolderOutcome.as_dict` tells, in the form that the suffix says; whole or not.

    Raises:
        UnsafePath: a source or a result bears this name.
        OSError: the disk or the rights to it.
    """
    _check_spares(path, told)
    files = redacted(told["files"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        match path.suffix.lower():
            case ".xlsx":
                write_workbook(temporary, report_sheets(files))
            case ".csv":
                with temporary.open("w", encoding="utf-8-sig", newline="") as stream:
                    csv.writer(stream).writerows(table_rows(files))
            case _:
                text = json.dumps(redacted(told), indent=2, ensure_ascii=False, default=str)
                temporary.write_text(redact(text) + "\n", encoding="utf-8")


def _check_spares(path: Path, told: Mapping[str, Any]) -> None:
    if not path.exists():
        return
    own, source = path.resolve(), Path(told["source"])
    # A file that was converted alone is the source itself.
    taken = [source, *(source / one["path"] for one in told["files"])]
    taken += [Path(output) for one in told["files"] for output in one["outputs"]]
    # What --pattern or --max-files left out is evidence, too.
    is_beside = source.resolve() in own.parents and not _is_report(path)
    if is_beside or own in {place.resolve() for place in taken}:
        raise UnsafePath(f"{path} is evidence or its result, and no report goes there")


def _is_report(path: Path) -> bool:
    """Whether an earlier call wrote it, by how it begins."""
    if path.suffix.lower() == WORKBOOK:
        return is_ours(path)
    with path.open("rb") as stream:
        head = stream.read(100)
    return head.startswith((b'{\n  "source":', ",".join(TABLE_COLUMNS[:4]).encode("utf-8-sig")))


def report_sheets(files: Sequence[Mapping[str, Any]]) -> Iterator[Sheet]:
    """Files, tables and columns."""
    yield "files", file_rows(files)
    yield "tables", table_rows(files)
    yield "columns", column_rows(files)


def file_rows(files: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    """A row for each file, below the names of its cells."""
    yield FILE_COLUMNS
    for one in files:
        yield (
            *(one[name] for name in ("path", "status", "size_bytes", "rows")),
            len(one["tables"]),
            *(one[name] for name in ("seconds", "code", "message", "hint")),
            "; ".join(one["missed"]),
            "; ".join(one["warnings"]),
        )


def table_rows(files: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    """A row for each table; a file without one has a row, too."""
    yield TABLE_COLUMNS
    for one in files:
        about = (one["seconds"], "; ".join(one["warnings"]), one["code"], one["message"])
        for table in one["tables"]:
            counts = ("rows_in", "rows_out", "rows_rejected", "rows_skipped")
            yield (
                *(one["path"], one["status"], table["part"], table["output"]),
                *(table[name] for name in counts),
                len(table["columns"]),
                sum(column["nulls"] for column in table["columns"]),
                *about,
            )
        if not one["tables"]:
            yield (one["path"], one["status"], *([""] * 8), *about)


def column_rows(files: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    """A row for each column of each table."""
    yield COLUMN_COLUMNS
    for one in files:
        for table in one["tables"]:
            for column in table["columns"]:
                facts = (column[name] for name in ("name", "source_name", "type", "nulls"))
                yield (one["path"], table["part"], table["output"], *facts)


def tables_of(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tables of a result by its manifest, as plain values; a document's text is no table."""
    return tuple(
        {
            "part": record["part"],
            "output": record["file"],
            "rows_in": record["receipt"].get("rows_read", record["rows"]),
            "rows_out": record["rows"],
            "rows_rejected": record["receipt"].get("rows_rejected", 0),
            "rows_skipped": record["receipt"].get("rows_skipped", 0),
            "columns": [
                {name: column[name] for name in ("name", "source_name", "type", "nulls")}
                for column in record["columns"]
            ],
        }
        for record in manifest["outputs"]
        if not record["is_document"]
    )
