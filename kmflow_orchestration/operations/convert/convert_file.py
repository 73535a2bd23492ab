"""One local file into Parquet, CSV, JSON lines or text: all of it, proven, or nothing (row D4)."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.clock import Clock, SystemClock, iso
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.interface import ConversionWarning, Converter, OutputKind
from kmflow_orchestration.converters.private_folder import clear_leftovers
from kmflow_orchestration.converters.reading_steps import HearStep, ReadingStep, TellsSteps
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import CorruptInput, InvalidOptions, OutputExistsError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.layout import (
    DATABASES,
    Layout,
    Target,
    format_of,
    lay_out,
    target_of,
)
from kmflow_orchestration.operations.convert.manifest import NO_ROWS, Manifest, OutputRecord
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.parts import (
    Part,
    expected_rows,
    parts_of,
    planned_record,
    write_part,
)
from kmflow_orchestration.operations.convert.progress import Progress, Tell
from kmflow_orchestration.operations.convert.rejects import rejects_name
from kmflow_orchestration.operations.convert.schema_lock import lock_file_of
from kmflow_orchestration.operations.convert.source_reading import (
    OpenSource,
    checked_source,
    find_converter,
    open_source,
)
from kmflow_orchestration.operations.convert.unlocking import password_of, unlocked
from kmflow_orchestration.operations.convert.work_folder import put_in_place, work_folder

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.lock_keeping import Agreement


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one file; in a dry run what would. `base` is the result without an end."""

    source: Path
    outputs: tuple[Path, ...]
    manifest_path: Path
    manifest: Manifest
    base: Path
    is_dry_run: bool = False

    @property
    def rows(self) -> int:
        return self.manifest.rows

    @property
    def missed(self) -> tuple[str, ...]:
        """See Manifest."""
        return self.manifest.missed

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
    work_key: str = "",
    password: Secret | None = None,
    parent_sha256: str = "",
    recorded_source: str = "",
    replace_own: bool = False,
) -> Conversion:
    """Convert one file; without `output` the result lies beside it.

    A fault leaves what was there before, and nothing else. `stem` names the result otherwise than
    the source; `keep_equal` takes an existing output that holds the very bytes as its own;
    `work_key` names the folder it works in for somebody who would clean up behind it.
    `password` opens a locked file, as the variable does that the options name. `parent_sha256` is
    noted as the hash of what the source was taken out of, `recorded_source` as where the source
    lies, if this is only a copy of it. `replace_own` replaces an earlier result of the same source.

    Raises:
        DatabricksConversionError: or one of its kinds; what was wrong and what to do.
        UnsafePath: the result would hit the source, or a folder where a file belongs.
        OSError: the disk or the rights to it.
    """
    chosen, progress = options or ConversionOptions(), Progress(tell)
    found = checked_source(Path(source))
    target = target_of(found.path, output, stem=stem)
    file_format = format_of(chosen.format_type, target)
    clear_leftovers()
    progress.at("detect", 0, 1, "files", found.file_name)
    with unlocked(found, password_of(chosen, password)) as content:
        converter, warnings = find_converter(content, registry or default_converters())
        hear = _hearing(progress, converter, found.file_name)
        opened = open_source(found, converter, chosen, warnings, content=content, hear=hear)
        if _fits_one_table_only(opened, chosen, target, file_format):
            # As if it had been asked for: what is verified later is the same.
            chosen = replace(chosen, tables=(opened.main,))
            opened = opened.only(opened.main)
        own_clock = clock or SystemClock()
        parts = parts_of(opened, replace(chosen, format_type=file_format))
        lock_file = lock_file_of(chosen, target.base)
        agreed = None
        if lock_file is not None:
            from kmflow_orchestration.operations.convert.lock_keeping import agreement

            now = iso(own_clock.now())
            agreed = agreement(lock_file, parts, chosen.on_drift, now=now, source=found.file_name)
        place = target
        if agreed is not None:
            chosen = replace(chosen, locked=agreed.contract.types)
            parts = parts_of(opened, replace(chosen, format_type=file_format))
            place = target.of_version(agreed.contract.version)
        layout = lay_out(found.path, converter.name, place, [part.wanted for part in parts])
        if chosen.is_quarantining:
            tables = [file for file, part in zip(layout.files, parts, strict=True) if part.table]
            extras = [file.with_name(rejects_name(file.name)) for file in tables]
            layout = _with_extras(layout, extras)
        layout.check_spares(found.path)
        if agreed is not None:
            agreed.check_spares(layout, found.path)
        if replace_own or (chosen.force and place != target):
            # What is named as a later version is may be another source's.
            chosen = replace(chosen, force=_is_own(layout, found.path, recorded_source))
        if chosen.force:
            layout.check_kinds()
        elif not keep_equal:
            layout.check_free()
        recorded = _Recording(
            opened,
            chosen,
            file_format,
            own_clock,
            work_key,
            parent_sha256,
            recorded_source,
            agreed,
        )
        if dry_run:
            planned = [planned_record(*pair) for pair in zip(parts, layout.files, strict=True)]
            manifest = recorded.manifest(layout, planned)
        else:
            is_kept = keep_equal and not chosen.force
            manifest = _converted(layout, parts, recorded, progress, keep_equal=is_kept)
        return Conversion(
            found.path, layout.files, layout.manifest, manifest, target.base, is_dry_run=dry_run
        )


def _hearing(progress: Progress, converter: Converter, name: str) -> HearStep:
    """What hears of the reading, which has begun; a database has steps before that to tell."""
    if not isinstance(converter, TellsSteps):
        progress.at("read", 0, 1, "files", name)
    return progress.step


def _is_own(layout: Layout, source: Path, recorded: str) -> bool:
    """Whether what lies where the result goes was made of this very source."""
    if not layout.manifest.is_file():
        return False
    try:
        there = Manifest.read(layout.manifest)
    except CorruptInput:
        return False
    return there.is_of(source, layout.manifest.parent, recorded)


def _with_extras(layout: Layout, extras: Sequence[Path]) -> Layout:
    for both in set(extras) & set(layout.files):
        raise InvalidOptions(
            f"{both.name} would be a table and the rows that another one rejects",
            hint="choose one of them with --tables",
        )
    return replace(layout, extras=tuple(extras))


def _fits_one_table_only(
    opened: OpenSource, options: ConversionOptions, target: Target, file_format: str
) -> bool:
    """Whether a document goes into a named file: that holds its text, or the table of its text."""
    is_document = opened.main and opened.converter.output is OutputKind.TEXT
    is_file = target.path is not None and file_format != "txt"
    return bool(is_document and is_file and not options.tables)


@dataclass(frozen=True, slots=True)
class _Recording:
    """What goes into the manifest of a conversion, and into the files themselves."""

    opened: OpenSource
    options: ConversionOptions
    file_format: str
    clock: Clock
    work_key: str = ""
    parent_sha256: str = ""
    source_path: str = ""
    agreed: Agreement | None = None

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
            # What holds for all tables is told once.
            tuple(dict.fromkeys(_warnings(opened))),
            parent_sha256=self.parent_sha256,
            schema_lock=None if self.agreed is None else self.agreed.told(layout.manifest.parent),
        )


def _warnings(opened: OpenSource) -> Iterator[ConversionWarning]:
    yield from opened.warnings
    for table in opened.tables:
        yield from table.warnings
        is_text = opened.main and table.part == opened.main
        may_be_empty = is_text or opened.converter.name in DATABASES
        if not table.receipt.rows_written and not may_be_empty:
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
) -> Manifest:
    opened = recording.opened
    beside = layout.folder.parent if layout.folder is not None else layout.manifest.parent
    now = recording.clock.now()
    with work_folder(beside, opened.size_bytes, now, recording.work_key) as work:
        made = work
        if layout.folder is not None:
            made = work / layout.folder.name
            made.mkdir()
        outputs, done = [], 0
        total = sum(map(expected_rows, parts))
        if isinstance(opened.converter, TellsSteps):
            into = f"{total:,} rows into {len(parts)} files"
            progress.step(ReadingStep.EXTRACTION, 0, total, into)
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
        outdated = _outdated_extras(layout)
        _check_extras(layout, manifest, outdated)
        with nullcontext() if recording.agreed is None else recording.agreed.kept():
            put_in_place(work, layout, manifest.as_text(), outdated)
    progress.at("clean", 1, 1, "files", opened.source.file_name)
    return manifest


def _outdated_extras(layout: Layout) -> frozenset[Path]:
    """Those that the result which is to be replaced calls its own."""
    if layout.folder is not None or not layout.manifest.is_file():
        return frozenset()
    try:
        old = Manifest.read(layout.manifest)
    except CorruptInput:
        return frozenset()
    return frozenset(_extras_of(layout, old).keys() & set(layout.extras))


def _extras_of(layout: Layout, manifest: Manifest) -> dict[Path, str]:
    """Where the rows lie that a result sets aside, with the hashes of these files."""
    folder = layout.folder if layout.folder is not None else layout.manifest.parent
    return {folder / one.rejects: one.rejects_sha256 for one in manifest.outputs if one.rejects}


def _check_extras(layout: Layout, manifest: Manifest, outdated: Collection[Path]) -> None:
    """What is no file of an earlier result is replaced by nobody, not even by force."""
    for file, sha256 in _extras_of(layout, manifest).items():
        if file.exists() and file not in outdated and sha256_of(file) != sha256:
            raise OutputExistsError(
                f"{file} is there already, and not of an earlier result",
                hint="move it away, or name another OUTPUT",
            )


def _check_equal(layout: Layout, manifest: Manifest) -> None:
    """What lies in the way must be what a killed conversion of the same file left."""
    layout.check_kinds()
    wanted = {file: one.sha256 for file, one in zip(layout.files, manifest.outputs, strict=True)}
    wanted |= dict.fromkeys(layout.extras, "") | _extras_of(layout, manifest)
    for file, sha256 in wanted.items():
        if file.exists() and sha256_of(file) != sha256:
            raise OutputExistsError(
                f"{file} is there already, and not from this source",
                hint="--force replaces it; or name another OUTPUT",
            )
