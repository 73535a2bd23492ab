"""Is a result still what its source says? Both are read again and compared (H4, CD-N3)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmflow_orchestration.clock import Clock, SystemClock, iso
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.private_folder import private_folder
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import InvalidOptions, UnsupportedFormatError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.cell_differences import (
    Difference,
    parquet_differences,
    text_differences,
)
from kmflow_orchestration.operations.convert.lock_keeping import locked_types
from kmflow_orchestration.operations.convert.manifest import (
    Manifest,
    OutputRecord,
    find_manifest,
)
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.parts import Part, parts_of, write_part
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.convert.source_reading import (
    GuardedRows,
    OpenSource,
    checked_source,
    open_source,
)
from kmflow_orchestration.operations.convert.table_files import column_prints
from kmflow_orchestration.operations.convert.unlocking import unlocked
from kmflow_orchestration.storage.whole_files import replacing

_MOST = 1000
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class OutputVerification:
    """What was compared, and every difference, at most 1000 of a file.

    `notes` are no differences: another version of the converter, a manifest that cannot be
    written.
    """

    output: str
    source: str
    manifest_path: str
    files: int
    rows: int
    columns: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        told = [{**asdict(one), "text": str(one)} for one in self.differences]
        return {**asdict(self), "differences": told, "is_equal": self.is_equal}


def verify_output(
    output: Path,
    source: Path | None = None,
    *,
    registry: ConverterRegistry | None = None,
    clock: Clock | None = None,
    password: Secret | None = None,
) -> OutputVerification:
    """Read source and result anew: counts, nulls, fingerprints, hashes, and every cell.

    What came out is noted in the manifest. Without `source` the manifest says where it lies.
    `password` opens a locked one.

    Raises:
        InvalidOptions: no manifest speaks for `output`, or the source is not where it was.
        CorruptInput: the manifest is no such thing, or the source cannot be read any more.
    """
    path = find_manifest(output) if output.exists() else None
    if path is None:
        raise InvalidOptions(
            f"no manifest of a conversion speaks for {output}",
            hint="name a file or folder that `kmflow convert` made",
        )
    manifest = Manifest.read(path)
    origin = source if source is not None else path.parent / manifest.source_path
    if not origin.is_file():
        raise InvalidOptions(f"the source {origin} is not there", hint="name it with --source")
    notes: list[str] = []
    found = list(_of_outputs(manifest, path.parent))
    if sha256_of(origin) != manifest.source_sha256:
        what = "these are not the bytes that were converted"
        found.append(Difference(origin.name, what))
    else:
        converters = registry or default_converters()
        with unlocked(checked_source(origin), password) as content:
            found += _of_source(
                manifest, path.parent, origin, content, registry=converters, notes=notes
            )
    differences = tuple(dict.fromkeys(found))
    _note(path, manifest, differences, clock or SystemClock(), notes)
    return OutputVerification(
        str(output),
        str(origin),
        str(path),
        len(manifest.outputs),
        manifest.rows,
        sum(len(one.columns) for one in manifest.outputs),
        differences,
        tuple(notes),
    )


def _of_outputs(manifest: Manifest, folder: Path) -> Iterator[Difference]:
    """Of the files from what the manifest noted when they were written."""
    for record in manifest.outputs:
        path = folder / record.file
        if not path.is_file():
            yield Difference(record.file, "the file is not there")
        elif sha256_of(path) != record.sha256:
            yield Difference(record.file, "its bytes are not those that were written")
            if record.file_format == "parquet":
                yield from _of_prints(record, path)
        if record.rejects:
            yield from _of_rejects(record, folder / record.rejects)


def _of_rejects(record: OutputRecord, path: Path) -> Iterator[Difference]:
    if not path.is_file():
        yield Difference(record.rejects, "the file is not there")
    # Older manifests do not know it.
    elif record.rejects_sha256 and sha256_of(path) != record.rejects_sha256:
        yield Difference(record.rejects, "its bytes are not those that were written")


def _of_prints(record: OutputRecord, path: Path) -> Iterator[Difference]:
    try:
        held = column_prints(path)
    except (OSError, pa.ArrowException) as error:
        yield Difference(record.file, f"it cannot be read: {error}")
        return
    if held.rows != record.rows:
        yield Difference(record.file, f"{held.rows} rows instead of {record.rows}")
    for column in record.columns:
        own = held.columns.get(column.name)
        if own is None:
            yield Difference(record.file, "the column is not there", column.name)
        elif own.nulls != column.nulls:
            what = f"{own.nulls} NULLs instead of {column.nulls}"
            yield Difference(record.file, what, column.name)
        elif own.fingerprint != column.fingerprint:
            yield Difference(record.file, "its values have another fingerprint", column.name)


def _of_source(
    manifest: Manifest,
    folder: Path,
    origin: Path,
    content: Source,
    *,
    registry: ConverterRegistry,
    notes: list[str],
) -> Iterator[Difference]:
    """Of the files from what the source gives now, cell by cell."""
    converter = registry.named(manifest.converter)
    if converter is None:
        raise UnsupportedFormatError(f"there is no converter {manifest.converter} here")
    if converter.version != manifest.converter_version:
        notes.append(
            f"converted by {converter.name} {manifest.converter_version}, "
            f"compared by version {converter.version}"
        )
    options = replace(conversion_options(manifest.options), locked=locked_types(manifest))
    # By the name it had: it may say how the content is to be read.
    named = replace(checked_source(origin), file_name=manifest.source_name)
    plain = replace(content, file_name=manifest.source_name)
    opened = open_source(named, converter, options, content=plain)
    parts = parts_of(opened, options)
    if len(parts) != len(manifest.outputs):
        what = f"the source gives {len(parts)} files, the manifest has {len(manifest.outputs)}"
        yield Difference(manifest.source_name, what)
        return
    for part, record in zip(parts, manifest.outputs, strict=True):
        yield from islice(_of_part(part, record, folder, opened, manifest), _MOST)


def _of_part(
    part: Part, record: OutputRecord, folder: Path, opened: OpenSource, manifest: Manifest
) -> Iterator[Difference]:
    path = folder / record.file
    yield from _of_receipt(part, record)
    if not path.is_file():
        return
    try:
        if part.rows is not None and record.file_format == "parquet":
            yield from parquet_differences(GuardedRows(opened.source, part.rows), path)
            return
    except (OSError, pa.ArrowException) as error:
        yield Difference(record.file, f"it cannot be read: {error}")
        return
    with private_folder("verify") as work:
        wanted = work / record.file
        options = conversion_options(manifest.options)
        write_part(part, wanted, opened, options, metadata={}, progress=Progress())
        yield from text_differences(wanted, path, _kind(part, record))


def _kind(part: Part, record: OutputRecord) -> str:
    if part.rows is None:
        return "text"
    return "tsv" if record.file_format == "txt" else record.file_format


def _of_receipt(part: Part, record: OutputRecord) -> Iterator[Difference]:
    if part.receipt is None:
        return
    for name in ("rows_read", "rows_written", "rows_rejected", "rows_skipped"):
        now, then = getattr(part.receipt, name), record.receipt.get(name)
        # Rows that do not fit a schema are not the reader's: it has read them as any other.
        now += {"rows_written": -record.misfits, "rows_rejected": record.misfits}.get(name, 0)
        if now != then:
            what = f"the receipt says {name} {then}, the source gives {now}"
            yield Difference(record.file, what)


def _note(
    path: Path,
    manifest: Manifest,
    differences: Sequence[Difference],
    clock: Clock,
    notes: list[str],
) -> None:
    """Write into the manifest what came out; a place that is read-only stays as it is."""
    told = {
        "at": iso(clock.now()),
        "is_equal": not differences,
        "differences": len(differences),
    }
    text = replace(manifest, verified=told).as_text()
    try:
        with replacing(path) as written:
            written.write_text(text, encoding="utf-8")
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        notes.append(f"the manifest cannot be written: {error.strerror}")
