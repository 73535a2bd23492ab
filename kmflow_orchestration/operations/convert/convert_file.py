"""One local file into Parquet, CSV, JSON lines or text: all of it, proven, or nothing (row D4)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kmflow_orchestration.clock import Clock, SystemClock, iso
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import OutputExistsError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.layout import (
    Layout,
    format_of,
    lay_out,
    target_of,
)
from kmflow_orchestration.operations.convert.manifest import Manifest, OutputRecord
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.parts import (
    Part,
    expected_rows,
    parts_of,
    planned_record,
    write_part,
)
from kmflow_orchestration.operations.convert.progress import Progress, Tell
from kmflow_orchestration.operations.convert.source_reading import (
    OpenSource,
    checked_source,
    find_converter,
    open_source,
)
from kmflow_orchestration.operations.convert.work_folder import put_in_place, work_folder

NO_ROWS = "no_rows"
# What these leave out holds no value.
_EMPTY_SKIPS = frozenset({"sheet_skipped", "blank_rows"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one file. `manifest` is None, and nothing was written, in a dry run."""

    source: Path
    outputs: tuple[Path, ...]
    manifest_path: Path
    manifest: Manifest
    is_dry_run: bool = False

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.manifest.outputs if not one.is_document)

    @property
    def missed(self) -> tuple[str, ...]:
        """What of the source is not in the result, and that nobody asked to leave out (D19)."""
        found = [
            f"{one.file}: {one.receipt['rows_rejected']} rows were rejected"
            for one in self.manifest.outputs
            if one.receipt.get("rows_rejected")
        ]
        found += [
            f"{warning.location or self.source.name}: {warning.message}"
            for warning in self.manifest.warnings
            if warning.code == NO_ROWS
            or (warning.code.endswith("_skipped") and warning.code not in _EMPTY_SKIPS)
        ]
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """For programs: the manifest, and what it does not know of itself."""
        return {
            "source": str(self.source),
            "outputs": [str(path) for path in self.outputs],
            "manifest_path": str(self.manifest_path),
            "dry_run": self.is_dry_run,
            "rows": self.rows,
            "missed": list(self.missed),
            "manifest": asdict(self.manifest),
        }


def convert_file(
    source: str | Path,
    output: str | Path | None = None,
    options: ConversionOptions | None = None,
    *,
    tell: Tell | None = None,
    registry: ConverterRegistry | None = None,
    clock: Clock | None = None,
    dry_run: bool = False,
    stem: str = "",
    keep_equal: bool = False,
    recorded_source: str = "",
) -> Conversion:
    """Convert one file; without `output` the result lies beside it.

    A fault leaves what was there before, and nothing else. `stem` names the result otherwise than
    the source; `keep_equal` takes an existing output that holds the very bytes as its own.
    `recorded_source` is where a manifest says the source lies, if this is only a copy of it.

    Raises:
        DatabricksConversionError: or one of its kinds; what was wrong and what to do.
        UnsafePath: the result would hit the source, or a folder where a file belongs.
        OSError: the disk or the rights to it.
    """
    chosen, progress = options or ConversionOptions(), Progress(tell)
    found = checked_source(Path(source))
    target = target_of(found.path, output, stem=stem)
    file_format = format_of(chosen.format_type, target)
    progress.at("detect", 0, 1, "files", found.file_name)
    converter, warnings = find_converter(found, registry or default_converters())
    progress.at("read", 0, 1, "files", found.file_name)
    opened = open_source(found, converter, chosen, warnings)
    parts = parts_of(opened, replace(chosen, format_type=file_format))
    layout = lay_out(found.path, converter.name, target, [part.wanted for part in parts])
    if chosen.force:
        layout.check_kinds()
    elif not keep_equal:
        layout.check_free()
    recorded = _Recording(opened, chosen, file_format, clock or SystemClock(), recorded_source)
    if dry_run:
        planned = [planned_record(*pair) for pair in zip(parts, layout.files, strict=True)]
        manifest = recorded.manifest(layout, planned)
        return Conversion(found.path, layout.files, layout.manifest, manifest, is_dry_run=True)
    return _converted(layout, parts, recorded, progress, keep_equal=keep_equal and not chosen.force)


@dataclass(frozen=True, slots=True)
class _Recording:
    """What goes into the manifest of a conversion, and into the files themselves."""

    opened: OpenSource
    options: ConversionOptions
    file_format: str
    clock: Clock
    source_path: str = ""

    @property
    def file_metadata(self) -> dict[str, str]:
        opened = self.opened
        return {
            "kmflow.source_name": opened.source.file_name,
            "kmflow.source_sha256": opened.sha256,
            "kmflow.converter": f"{opened.converter.name}:{opened.converter.version}",
            "kmflow.options": json.dumps(self.recorded_options, sort_keys=True),
        }

    @property
    def recorded_options(self) -> dict[str, object]:
        return {**self.options.recorded, "format_type": self.file_format}

    def manifest(self, layout: Layout, outputs: Sequence[OutputRecord]) -> Manifest:
        opened = self.opened
        path = opened.source.path.resolve()
        return Manifest(
            opened.source.file_name,
            self.source_path
            or Path(os.path.relpath(path, layout.manifest.parent.resolve())).as_posix(),
            opened.sha256,
            opened.size_bytes,
            opened.converter.name,
            opened.converter.version,
            self.recorded_options,
            iso(self.clock.now()),
            tuple(outputs),
            opened.left_out,
            tuple(_warnings(opened)),
        )


def _warnings(opened: OpenSource) -> Iterator[ConversionWarning]:
    yield from opened.warnings
    for table in opened.tables:
        yield from table.warnings
        if not table.receipt.rows_written:
            text = "there is a header and no row"
            yield ConversionWarning(NO_ROWS, text, table.part)
    if opened.blocks == ():
        yield ConversionWarning(NO_ROWS, "the document holds no text")


def _converted(
    layout: Layout,
    parts: Sequence[Part],
    recording: _Recording,
    progress: Progress,
    *,
    keep_equal: bool,
) -> Conversion:
    opened = recording.opened
    beside = layout.folder.parent if layout.folder is not None else layout.manifest.parent
    with work_folder(beside, opened.size_bytes, recording.clock.now()) as work:
        made = work
        if layout.folder is not None:
            made = work / layout.folder.name
            made.mkdir()
        outputs, done = [], 0
        total = sum(map(expected_rows, parts))
        for file, part in zip(layout.files, parts, strict=True):
            record = write_part(
                part,
                made / file.name,
                opened,
                recording.options,
                metadata=recording.file_metadata,
                progress=progress,
                before=done,
                of_rows=total,
            )
            outputs.append(record)
            done += record.rows
        opened.check_unchanged()
        progress.at("verify", 1, 1, "files", opened.source.file_name)
        manifest = recording.manifest(layout, outputs)
        if keep_equal:
            _check_equal(layout, manifest)
        put_in_place(work, layout, manifest.as_text())
    progress.at("clean", 1, 1, "files", opened.source.file_name)
    return Conversion(opened.source.path, layout.files, layout.manifest, manifest)


def _check_equal(layout: Layout, manifest: Manifest) -> None:
    """What lies in the way must be what a killed conversion of the same file left."""
    layout.check_kinds()
    for file, record in zip(layout.files, manifest.outputs, strict=True):
        if file.exists() and sha256_of(file) != record.sha256:
            raise OutputExistsError(
                f"{file} is there already, and not from this source",
                hint="--force replaces it; or name another OUTPUT",
            )
