"""Where the results of one source go, and under which names (row D20)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.errors import InvalidOptions, OutputExistsError, UnsafePath
from kmflow_orchestration.operations.convert.file_names import distinct, safe_name, stem_of
from kmflow_orchestration.operations.convert.option_table import AUTO, FORMATS, TABLE

FOLDER_MANIFEST = "_manifest.json"
_MANIFEST_END = ".manifest.json"
LOCK_END = ".schema.lock"
# What a file of a format may be called besides `.format`; any other suffix that means a format to
# one of our readers would lie about the content.
_OTHER_SUFFIXES = {
    "csv": frozenset[str](),
    "jsonl": frozenset({"ndjson"}),
    "parquet": frozenset({"pq"}),
    "txt": frozenset({"log", "md", "tab", "text", "tsv"}),
}
# Their parts are sheets, whose names mean little without the workbook's.
WORKBOOKS = frozenset({"spreadsheet"})
# A table of theirs may be empty as any other day.
DATABASES = frozenset({"access"})


@dataclass(frozen=True, slots=True)
class Target:
    """Where one source's results may go: an exact `path` if one was named, else into `folder`."""

    folder: Path
    stem: str
    path: Path | None = None

    @property
    def beside(self) -> Path:
        """The folder that gets the result, and that the work is done in."""
        return self.folder if self.path is None else self.path.parent

    @property
    def base(self) -> Path:
        """Where the result goes and how it begins, without an end."""
        return self.folder / self.stem if self.path is None else self.path.with_suffix("")

    def of_version(self, number: int) -> Target:
        """Where a result goes whose tables are those of a later version of its schema lock."""
        if number == 1:
            return self
        stem, path = version_name(self.stem, number), self.path
        if path is not None:
            path = path.with_name(f"{version_name(path.stem, number)}{path.suffix}")
        return Target(self.folder, stem, path)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to be made: of which part of the source, in which format, under what name."""

    part: str
    file_format: str
    is_document: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Files in the order they were wanted; in `folder` if they get one of their own."""

    files: tuple[Path, ...]
    manifest: Path
    folder: Path | None = None
    extras: tuple[Path, ...] = ()
    """Files beside these that may come to be, or not."""

    def check_free(self) -> None:
        """Raises OutputExistsError, or UnsafePath for a file where a folder goes or the reverse."""
        places = (self.folder,) if self.folder is not None else (*self.files, *self.extras)
        for place in places:
            self._check_kind(place)
            if place.exists() or place.is_symlink():
                raise OutputExistsError(
                    f"{place} is there already", hint="--force replaces it; or name another OUTPUT"
                )

    def check_kinds(self) -> None:
        """What `--force` replaces is of the same kind. Raises UnsafePath."""
        for place in (self.folder,) if self.folder is not None else (*self.files, *self.extras):
            self._check_kind(place)

    def check_spares(self, source: Path) -> None:
        """Raises UnsafePath if the source itself would be replaced."""
        own = source.resolve()
        places = {one.resolve() for one in (self.manifest, *self.files, *self.extras)}
        if own in places or (self.folder is not None and self.folder.resolve() in own.parents):
            raise UnsafePath(
                f"{source} would be replaced by its own result", hint="name another OUTPUT"
            )

    def _check_kind(self, place: Path) -> None:
        if place.is_symlink():
            raise UnsafePath(f"{place} is a link", hint="name the file or folder it leads to")
        if place.exists() and place.is_dir() is (self.folder is None):
            wanted, found = ("folder", "file") if self.folder else ("file", "folder")
            raise UnsafePath(f"{place} is a {found}, and a {wanted} is needed there")
        if self.folder is not None and place.is_dir() and not _is_ours(place):
            raise UnsafePath(
                f"{place} is a folder that no conversion made", hint="name another OUTPUT"
            )


def version_name(stem: str, number: int) -> str:
    """What a result is named from its second version on."""
    return stem if number == 1 else f"{stem}.v{number}"


def contained_folder(base: Path) -> Path:
    """Where files go that were inside a source, whose result begins as `base`."""
    return base.with_name(f"{base.name}_attachments")


def check_named(place: str | Path | None, called: str) -> None:
    """Raises InvalidOptions for an empty text: nobody means the current folder by it."""
    if place == "":
        raise InvalidOptions(
            f"{called} is empty", hint="leave it out; or write . for the current folder"
        )


def target_of(source: Path, output: str | Path | None, *, stem: str = "") -> Target:
    """What OUTPUT names: a name without a suffix is a folder; nothing, the source's own.

    Raises:
        InvalidOptions: it is empty, as of a variable that is not set.
        UnsafePath: it is the source itself, or lies below it.
    """
    check_named(output, "OUTPUT")
    stem = stem or stem_of(source.name)
    if output is None:
        return Target(source.parent, stem)
    path = Path(output)
    is_file = path.is_file() or (path.suffix and not path.is_dir())
    if str(output).endswith(("/", os.sep)) or not is_file:
        return Target(path, stem)
    resolved, own = path.resolve(), source.resolve()
    if own == resolved or own in resolved.parents:
        raise UnsafePath(f"{path} is the source itself", hint="name another OUTPUT")
    return Target(path.parent, stem, path)


def format_of(format_type: str, target: Target) -> str:
    """The format asked for, or what the suffix of a named file says; `auto` if neither does.

    Raises:
        InvalidOptions: the two contradict each other, or the suffix is of a format that nobody
            writes; or what was asked for is no file.
    """
    if format_type == TABLE:
        raise InvalidOptions(
            f"--format {TABLE} makes a table of a group, and no file",
            hint="kmflow convert and batch-convert make it, with --table and --group",
        )
    suffix = target.path.suffix.lower().removeprefix(".") if target.path is not None else ""
    said = suffix if suffix in FORMATS else ""
    if suffix and not said and format_type == AUTO:
        raise InvalidOptions(
            f"{target.path}: no file of that kind is written",
            hint=f"name it .{', .'.join(FORMATS)}, or say what it shall hold with --format",
        )
    if format_type not in {AUTO, said} and (said or _is_misleading(suffix, format_type)):
        raise InvalidOptions(
            f"{target.path} is not named as {format_type}: the suffix .{suffix} and "
            f"--format {format_type} contradict each other",
            hint="leave out --format, or rename it",
        )
    return said or format_type


def _is_misleading(suffix: str, format_type: str) -> bool:
    """Whether a name of that suffix promises another content."""
    from kmflow_orchestration.converters.registry import default_converters

    if not suffix or suffix in _OTHER_SUFFIXES.get(format_type, ()):
        return False
    return default_converters().claims(f".{suffix}")


def lay_out(source: Path, converter: str, target: Target, wanted: Sequence[Wanted]) -> Layout:
    """One table, or a document's text, beside the source; more get a folder.

    Raises:
        UnsafePath: a file was named, and there are several tables.
    """
    if sum(not one.is_document for one in wanted) > (0 if _has_document(wanted) else 1):
        return _in_folder(converter, target, wanted)
    if target.path is not None and len(wanted) == 1:
        return _beside(target.path.parent, (target.path.name,))
    base = target.stem if target.path is None else target.path.with_suffix("").name
    names = tuple(f"{base}.{one.file_format}" for one in wanted)
    own = source.resolve()
    if any((target.beside / name).resolve() == own for name in names):
        names = tuple(f"{safe_name(source.name)}.{one.file_format}" for one in wanted)
    return _beside(target.beside, names)


def _has_document(wanted: Sequence[Wanted]) -> bool:
    return any(one.is_document for one in wanted)


def _beside(folder: Path, names: tuple[str, ...]) -> Layout:
    return Layout(tuple(folder / name for name in names), folder / manifest_name(names[0]))


def manifest_name(name: str) -> str:
    """The manifest's of a file of that name; Spark and Arrow pass over a leading `_`."""
    return f"_{name}{_MANIFEST_END}"


def is_manifest_name(name: str) -> bool:
    """Whether a file of this name is a manifest of ours."""
    return name == FOLDER_MANIFEST or (name.startswith("_") and name.endswith(_MANIFEST_END))


def is_lock_name(name: str) -> bool:
    """Whether a file of this name is the schema lock of a result beside it."""
    return name.endswith(LOCK_END)


def _in_folder(converter: str, target: Target, wanted: Sequence[Wanted]) -> Layout:
    if target.path is not None and target.path.suffix.lower().removeprefix(".") in FORMATS:
        raise UnsafePath(
            f"{len(wanted)} tables do not fit in the file {target.path.name}",
            hint="name a folder, or choose one with --tables",
        )
    folder = target.path
    if folder is None:
        kind = next(one.file_format for one in wanted if not one.is_document)
        folder = target.folder / f"{target.stem}_{kind}"
    names = distinct(_name(one, converter, target.stem) for one in wanted)
    files = [folder / f"{name}.{one.file_format}" for name, one in zip(names, wanted, strict=True)]
    return Layout(tuple(files), folder / FOLDER_MANIFEST, folder)


def _name(one: Wanted, converter: str, stem: str) -> str:
    if one.is_document:
        return f"{stem}_text"
    if not one.part:
        return stem
    return safe_name(f"{stem}_{one.part}" if converter in WORKBOOKS else one.part)


def _is_ours(folder: Path) -> bool:
    return (folder / FOLDER_MANIFEST).is_file() or not any(folder.iterdir())
