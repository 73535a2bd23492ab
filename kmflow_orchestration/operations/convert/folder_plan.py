"""Which files of a folder are converted, in which order, and under which names (row D13)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kmflow_orchestration.errors import CorruptInput, InvalidOptions, UnsafePath
from kmflow_orchestration.operations.convert.file_names import safe_name, stem_of
from kmflow_orchestration.operations.convert.layout import is_lock_name, is_manifest_name
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.summary_names import is_summary


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the folder, by its path within; `problem` says why it is not even tried.

    `recorded` is where it lies, if `source` is only a copy of it.
    """

    path: str
    source: Path
    folder: Path
    stem: str
    problem: str = ""
    recorded: str = ""

    @property
    def base(self) -> Path:
        """The result's path without a suffix."""
        return self.folder / self.stem


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """Files by path; of `matched` ones, those beyond the limit are not in it."""

    source: Path
    output: Path
    files: tuple[PlannedFile, ...]
    matched: int
    clashes: tuple[str, ...]


def plan_folder(
    source: Path,
    output: Path | None = None,
    *,
    patterns: Sequence[str] = ("*",),
    recursive: bool = False,
    max_files: int | None = None,
) -> FolderPlan:
    """Look a folder through; its results go to `<folder>_converted` unless it is said where.

    Files whose names begin with a dot match only patterns that do. Manifests, and what a conversion
    made of files of this very folder, are no sources. Where two files would get the
    same name, the names of both keep their suffix.

    Raises:
        InvalidOptions: there is no such folder.
        UnsafePath: the results would lie in the folder itself, or around it.
    """
    if not source.is_dir():
        raise InvalidOptions(f"{source} is no folder", hint="kmflow convert takes files")
    root = source.resolve()
    target = output if output is not None else root.with_name(f"{root.name}_converted")
    place = target.resolve()
    if place == root or root in place.parents:
        raise UnsafePath(f"{target} lies in {source}", hint="name an OUT_DIR outside of it")
    if target.exists() and not target.is_dir():
        raise UnsafePath(f"{target} is a file, and a folder is needed there")
    found = sorted(_matching(root, patterns, recursive=recursive))
    return plan_of(source, root, target, found, max_files=max_files)


def plan_of(
    source: Path,
    root: Path,
    target: Path,
    found: Sequence[tuple[str, str]],
    *,
    max_files: int | None = None,
) -> FolderPlan:
    """The plan for files that were found, each by its path within and what is wrong with it."""
    chosen = found if max_files is None else found[:max_files]
    # Of all that match, so that a name does not hang on a limit.
    names = Counter(_key(path) for path, _ in found)
    files = [
        _planned(path, problem, root, target, clashes=names[_key(path)] > 1)
        for path, problem in chosen
    ]
    return FolderPlan(
        source,
        target,
        tuple(files),
        len(found),
        tuple(path for path, _ in chosen if names[_key(path)] > 1),
    )


def _key(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, stem_of(name).casefold()


def _planned(path: str, problem: str, root: Path, target: Path, *, clashes: bool) -> PlannedFile:
    folder, _, name = path.rpartition("/")
    stem = safe_name(name) if clashes else stem_of(name)
    return PlannedFile(path, root / path, target / folder, stem, problem)


def _matching(root: Path, patterns: Sequence[str], *, recursive: bool) -> Iterator[tuple[str, str]]:
    """Paths within the folder, and what is wrong with each; links that stay inside are files."""
    folders = [root]
    while folders:
        folder = folders.pop()
        entries = list(os.scandir(folder))
        made = _made_from(root, folder, [entry.name for entry in entries])
        for entry in entries:
            path = Path(entry.path)
            if entry.name in made:
                continue
            within = path.relative_to(root).as_posix()
            if entry.is_symlink():
                problem = _link_problem(path, root)
                if fits(entry.name, within, patterns) and (problem or path.is_file()):
                    yield within, problem
            elif entry.is_dir():
                if recursive and not entry.name.startswith("."):
                    folders.append(path)
            elif entry.is_file() and fits(entry.name, within, patterns):
                yield within, ""


def _made_from(root: Path, folder: Path, names: Sequence[str]) -> set[str]:
    """Manifests, schema locks, and results of files within the root: no sources of ours."""
    found = {name for name in names if is_manifest_name(name) or is_lock_name(name)}
    summaries = {name for name in names if is_summary(folder / name)}
    for name in filter(is_manifest_name, tuple(found)):
        try:
            manifest = Manifest.read(folder / name)
        except (CorruptInput, OSError):
            continue
        if root in (folder / manifest.source_path).resolve().parents:
            found.update(one.file for one in manifest.outputs)
            found.update(manifest.rejects)
    return found | summaries


def _link_problem(path: Path, root: Path) -> str:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    return "" if root in real.parents else "a link that leaves the folder"


def fits(name: str, within: str, patterns: Sequence[str]) -> bool:
    """Whether a file is one of those asked for, by its name or its path within the folder."""
    return any(
        (fnmatchcase(name, one) or fnmatchcase(within, one))
        and (not name.startswith(".") or one.rpartition("/")[2].startswith("."))
        for one in patterns
    )
