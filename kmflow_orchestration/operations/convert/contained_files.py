"""Files inside a source, such as attachments, written beside its result and converted (D39)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any
from uuid import uuid4

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.interface import ContainedFile, ContainsFiles
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import KmflowError, UnsafePath, UnsupportedFormatError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.file_names import safe_name, stem_of
from kmflow_orchestration.operations.convert.layout import contained_folder
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Tell
from kmflow_orchestration.operations.convert.source_reading import (
    checked_source,
    find_converter,
    naming_faults,
)
from kmflow_orchestration.operations.convert.work_folder import PREFIX

EXTRACT = "extract_attachments"
_DEPTH = 3
# A mailbox with the same signature picture in each message has one of it.
_MOST_OF_ONE_NAME = 10_000


@dataclass(frozen=True, slots=True)
class ContainedOutcome:
    """A file that was taken out, and what it became; `code` and `message` say why nothing.

    A file of a kind that nobody reads is whole where it lies, and no fault.
    """

    path: str
    outputs: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    code: str = ""
    message: str = ""

    @property
    def problem(self) -> str:
        """What is not in the result; '' for a file that is."""
        if self.code and self.code != UnsupportedFormatError.code:
            return f"{self.path}: {self.message}"
        return "; ".join(f"{self.path}: {one}" for one in self.missed)


def convert_whole(
    source: str | Path,
    output: str | Path | None = None,
    options: ConversionOptions | None = None,
    *,
    tell: Tell | None = None,
    dry_run: bool = False,
    work_key: str = "",
    password: Secret | None = None,
    recorded_source: str = "",
) -> dict[str, Any]:
    """`convert_file`, then the files inside the source: what both tell, as plain values."""
    chosen = options or ConversionOptions()
    done = convert_file(
        source,
        output,
        chosen,
        tell=tell,
        dry_run=dry_run,
        work_key=work_key,
        password=password,
        recorded_source=recorded_source,
    )
    inner = convert_contained(done, chosen, work_key=work_key, password=password)
    problems = [one.problem for one in inner if one.problem]
    return {
        **done.as_dict(),
        "missed": [*done.missed, *problems],
        "contained": [{**asdict(one), "problem": one.problem} for one in inner],
    }


def convert_contained(
    done: Conversion,
    options: ConversionOptions,
    *,
    registry: ConverterRegistry | None = None,
    work_key: str = "",
    password: Secret | None = None,
) -> tuple[ContainedOutcome, ...]:
    """Write and convert the files inside a source that was converted, if that was asked for.

    They lie in `<stem>_attachments` beside the result, under safe names; nothing that lies there
    is replaced but an earlier result of the same attachment, and one that holds is kept. Each is
    converted beside itself, and so is what it holds, to the third depth.
    `work_key` names the folders it works in; `password` opens locked files.

    Raises:
        UnsafePath: that folder is a link, or a file.
        OSError: the disk or the rights to it.
    """
    if not options.reader.get(EXTRACT) or done.is_dry_run:
        return ()
    way = _Way(registry or default_converters(), work_key or uuid4().hex, password)
    return tuple(_taken_out(done, options, way))


@dataclass(frozen=True, slots=True)
class _Way:
    """How attachments are converted, at every depth."""

    registry: ConverterRegistry
    work_key: str
    password: Secret | None


def _taken_out(
    done: Conversion, options: ConversionOptions, way: _Way, depth: int = 1
) -> Iterator[ContainedOutcome]:
    converter = way.registry.named(done.manifest.converter)
    if not isinstance(converter, ContainsFiles):
        return
    source = checked_source(done.source)
    folder = _folder(done)
    kept: dict[tuple[str, str], Path] = {}
    with naming_faults(source):
        for file in converter.contained_files(source):
            # The same bytes under another name are a file of their own to whoever looks for it.
            key = (safe_name(file.name), file.sha256)
            if key not in kept:
                kept[key] = _kept(file, folder, way.work_key)
    paths = tuple(dict.fromkeys(kept.values()))
    stems = Counter(stem_of(path.name).casefold() for path in paths)
    for path in paths:
        is_shared = stems[stem_of(path.name).casefold()] > 1
        stem = safe_name(path.name) if is_shared else ""
        try:
            inner, chosen = _converted(path, stem, done, options, way)
        except KmflowError as error:
            yield ContainedOutcome(str(path), code=error.code, message=error.message)
            continue
        yield ContainedOutcome(str(path), tuple(map(str, inner.outputs)), inner.missed)
        if chosen.reader and depth < _DEPTH:
            yield from _taken_out(inner, chosen, way, depth + 1)


def _folder(done: Conversion) -> Path:
    """Beside the result: a folder of tables is no place for what is none."""
    folder = contained_folder(done.base)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UnsafePath(f"{folder} is no folder", hint="move it away, or name another OUTPUT")
    return folder


def _kept(file: ContainedFile, folder: Path, work_key: str) -> Path:
    """The file under a name that is free, or where it lies already. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{PREFIX}{work_key}.part"
    try:
        part.write_bytes(file.content)
        for path in _names(safe_name(file.name), folder):
            if path.is_file() and not path.is_symlink() and sha256_of(path) == file.sha256:
                return path
            with suppress(FileExistsError):
                _put(part, path)
                return path
        raise UnsafePath(f"{folder} has too many files named {safe_name(file.name)}")
    finally:
        part.unlink(missing_ok=True)


def _put(part: Path, path: Path) -> None:
    """Under a name that nothing has. Raises FileExistsError, and OSError."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        with path.open("xb") as target:
            target.write(part.read_bytes())
            os.fsync(target.fileno())


def _names(name: str, folder: Path) -> Iterator[Path]:
    yield folder / name
    pure = PurePath(name)
    for number in range(2, _MOST_OF_ONE_NAME):
        yield folder / f"{pure.stem}_{number}{pure.suffix}"


def _converted(
    path: Path,
    stem: str,
    parent: Conversion,
    options: ConversionOptions,
    way: _Way,
) -> tuple[Conversion, ConversionOptions]:
    """What a file became, and by which options. Raises as `convert_file` does."""
    converter, _ = find_converter(checked_source(path), way.registry)
    own: dict[str, Any] = {EXTRACT: True} if EXTRACT in converter.options() else {}
    # Tables, sheets, a schema and its lock are those of the mail.
    chosen = replace(
        options, tables=(), sheet=(), schema=None, on_drift="", schema_lock="", reader=own
    )
    parent_sha256 = parent.manifest.source_sha256
    # For files that hold others alone.
    from kmflow_orchestration.operations.convert.earlier_results import find_earlier
    from kmflow_orchestration.operations.convert.folder_plan import PlannedFile

    planned = PlannedFile(path.name, path, path.parent, stem or stem_of(path.name))
    earlier = find_earlier(planned, chosen)
    if (
        earlier is not None
        and earlier.manifest.parent_sha256 == parent_sha256
        and earlier.is_current(path, chosen)
    ):
        return earlier.as_conversion(planned), chosen
    done = convert_file(
        path,
        # Only what is ours is replaced: what else lies there may be an attachment itself.
        options=replace(chosen, force=earlier is not None),
        registry=way.registry,
        stem=stem,
        keep_equal=True,
        work_key=way.work_key,
        password=way.password,
        parent_sha256=parent_sha256,
    )
    if earlier is not None:
        earlier.remove_unless(done)
    return done, chosen
