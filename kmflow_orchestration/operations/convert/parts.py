"""The files that one source becomes, and the writing of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kmflow_orchestration.converters.interface import (
    ConvertedTable,
    OutputKind,
    Receipt,
    RejectsRows,
)
from kmflow_orchestration.errors import DataLossError, UnsupportedFormatError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.layout import Wanted
from kmflow_orchestration.operations.convert.manifest import ColumnRecord, OutputRecord
from kmflow_orchestration.operations.convert.option_table import AUTO
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.output_tables import (
    OutputText,
    Rows,
    check_schema,
    output_table,
    source_name,
)
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.convert.rejects import RejectsFile, rejects_name
from kmflow_orchestration.operations.convert.source_reading import (
    GuardedRows,
    OpenSource,
    naming_faults,
)
from kmflow_orchestration.operations.convert.table_files import write_rows


@dataclass(frozen=True, slots=True)
class Part:
    """One file to be made, and the rows or the document that go into it."""

    wanted: Wanted
    rows: Rows | None
    document: OutputText | None = None
    table: ConvertedTable | None = None

    @property
    def receipt(self) -> Receipt | None:
        return self.table.receipt if self.table is not None else None


def parts_of(opened: OpenSource, options: ConversionOptions) -> tuple[Part, ...]:
    """The files that a source becomes: by itself Parquet of tables, and the text of a document.

    Raises:
        UnsupportedFormatError: the source holds neither a table nor text.
        InvalidOptions: the schema names a table or a column that is not there.
    """
    check_schema(opened.tables, opened.left_out, options)
    wanted = options.format_type
    parts: list[Part] = []
    if opened.blocks is not None:
        document = OutputText(opened.blocks)
        if wanted in (AUTO, "txt"):
            parts.append(Part(Wanted("", "txt", is_document=True), None, document))
    # The text alone has all that the tables of a document have.
    is_text_alone = wanted == "txt" and opened.converter.output is OutputKind.TEXT
    for table in () if is_text_alone else opened.tables:
        rows = output_table(table, options, opened.source.file_name)
        own = "parquet" if wanted == AUTO else wanted
        parts.append(Part(Wanted(table.part, own), rows, table=table))
    if not parts:
        raise UnsupportedFormatError(f"{opened.source.file_name} holds no table and no text")
    return tuple(parts)


def expected_rows(part: Part) -> int:
    """How many rows, or pieces of text, the file will hold."""
    if part.receipt is not None:
        return part.receipt.rows_written
    return len(part.document.blocks) if part.document is not None else 0


def write_part(
    part: Part,
    path: Path,
    opened: OpenSource,
    options: ConversionOptions,
    *,
    metadata: Mapping[str, str],
    progress: Progress,
    before: int = 0,
    of_rows: int = 0,
) -> OutputRecord:
    """Write one file, of which `before` of all `of_rows` rows come in others.

    Raises:
        DataLossError: the reader counted other rows than came out of it.
    """
    wanted, document = part.wanted, part.document
    columns: tuple[ColumnRecord, ...] = ()
    receipt, misfits, rejected = part.receipt, 0, None
    if part.rows is None:
        if document is None:
            raise DataLossError(f"there is nothing to write in {path.name}")
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(document.lines())
        rows = len(document.blocks)
    else:
        guarded = GuardedRows(opened.source, part.rows)
        with RejectsFile(path.with_name(rejects_name(path.name))) as left_out:
            told = write_rows(
                guarded,
                path,
                wanted.file_format,
                options,
                metadata=metadata,
                on_rows=lambda done: progress.at(
                    "write", before + done, of_rows, "rows", path.name
                ),
                reject=left_out.add,
            )
            misfits = left_out.count
            if options.is_quarantining and isinstance(part.table, RejectsRows):
                with naming_faults(opened.source):
                    left_out.add(part.table.rejected_rows())
        rejected = left_out.path if left_out.count else None
        rows = told.rows
        columns = tuple(
            ColumnRecord(
                one.name,
                source_name(one),
                str(one.type),
                told.columns[one.name].nulls,
                told.columns[one.name].fingerprint,
            )
            for one in part.rows.schema
        )
        if receipt is not None:
            receipt = replace(
                receipt,
                rows_written=receipt.rows_written - misfits,
                rows_rejected=receipt.rows_rejected + misfits,
            )
        _check_counts(receipt, rows, path)
    sha256 = sha256_of(path)
    size = path.stat().st_size
    return OutputRecord(
        path.name,
        wanted.file_format,
        wanted.part,
        rows,
        size,
        sha256,
        columns,
        asdict(receipt) if receipt is not None else {},
        wanted.is_document,
        rejected.name if rejected is not None else "",
        misfits,
        rejected.stat().st_size if rejected is not None else 0,
        sha256_of(rejected) if rejected is not None else "",
    )


def _check_counts(receipt: Receipt | None, rows: int, path: Path) -> None:
    if receipt is None:
        return
    if not receipt.adds_up or rows != receipt.rows_written:
        raise DataLossError(
            f"{path.name}: of {receipt.rows_read} rows read, {rows} were written, "
            f"{receipt.rows_rejected} rejected and {receipt.rows_skipped} skipped",
            hint="this is a fault of the converter; please report it with the file",
        )


def planned_record(part: Part, path: Path) -> OutputRecord:
    """What `write_part` would tell, as far as it is known without writing."""
    columns: tuple[ColumnRecord, ...] = ()
    if part.rows is not None:
        columns = tuple(
            ColumnRecord(one.name, source_name(one), str(one.type), 0, "")
            for one in part.rows.schema
        )
    wanted = part.wanted
    return OutputRecord(
        path.name,
        wanted.file_format,
        wanted.part,
        expected_rows(part),
        0,
        "",
        columns,
        asdict(part.receipt) if part.receipt is not None else {},
        wanted.is_document,
    )
