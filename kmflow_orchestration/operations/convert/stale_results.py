"""Results that a folder's files leave behind: their source is gone, or they have another name now.

A batch reports them; what is removed is only what the manifests of ours list, as it was written.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.earlier_results import earlier_manifests
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan, PlannedFile
from kmflow_orchestration.operations.convert.layout import FOLDER_MANIFEST, version_name
from kmflow_orchestration.operations.convert.manifest import Manifest, manifests_below
from kmflow_orchestration.operations.convert.option_table import AUTO
from kmflow_orchestration.operations.convert.summary_names import (
    SUMMARY,
    is_summary,
    summary_name,
)

GONE, RENAMED = "its source is gone", "the result of its source has another name now"


@dataclass(frozen=True, slots=True)
class StaleResult:
    """A result by its manifest, the path of its source within the folder, and why it is stale.

    `removed` says whether it was taken away, `kept_because` why not although it should have been.
    """

    manifest_path: str
    source: str
    why: str
    files: tuple[str, ...]
    manifest_sha256: str
    removed: bool = False
    kept_because: str = ""


def find_stale(plan: FolderPlan, done: Collection[str]) -> tuple[StaleResult, ...]:
    """Earlier results in the plan's output, by path, that no file of its folder accounts for.

    `done` are the paths of files that have a result now: only then another one of the same source
    is superfluous. Results of other folders are none of ours.
    """
    return tuple(_found(plan, frozenset(done)))


def _found(plan: FolderPlan, done: frozenset[str]) -> Iterator[StaleResult]:
    root = plan.source.resolve()
    names: dict[Path, list[PlannedFile]] = defaultdict(list)
    current: set[Path] = set()
    for planned in plan.files:
        # A link within the folder has a result of its own beside that of what it leads to.
        if planned.path in done:
            names[planned.source.resolve()].append(planned)
            current |= _places(planned)
    for path in manifests_below(plan.output):
        if path.absolute() in current:
            continue
        try:
            content = path.read_bytes()
            manifest = Manifest.of_text(content, str(path))
        except (CorruptInput, OSError):
            # Nobody's, or one that is not ours to see.
            continue
        source = Path(os.path.normpath(path.parent.resolve() / manifest.source_path))
        if root not in source.parents:
            continue
        if _is_gone(source):
            why = GONE
        elif source in names:
            if any(path.absolute() in _places(one, manifest.version) for one in names[source]):
                continue
            why = RENAMED
        else:
            # Not looked at this time, or it failed: what there is of it is all there is.
            continue
        files = (*(one.file for one in manifest.outputs), *manifest.rejects)
        yield StaleResult(
            str(path),
            source.relative_to(root).as_posix(),
            why,
            tuple(str(path.parent / name) for name in files),
            hashlib.sha256(content).hexdigest(),
        )


def _places(planned: PlannedFile, version: int = 1) -> set[Path]:
    """Where the manifest of a file's result lies, of this version of its schema lock."""
    named = replace(planned, stem=version_name(planned.stem, version))
    return {path.absolute() for path in earlier_manifests(named, AUTO)}


def _is_gone(source: Path) -> bool:
    """Whether there surely is none; of what cannot be looked at nobody knows."""
    try:
        source.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def remove_stale(found: Sequence[StaleResult]) -> tuple[StaleResult, ...]:
    """Remove what these manifests list; a result with a file that was changed since stays whole.

    Interrupted, it is found again: the manifest goes last. Raises OSError.
    """
    return tuple(map(_removed, found))


def _removed(one: StaleResult) -> StaleResult:
    path = Path(one.manifest_path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != one.manifest_sha256:
        return replace(one, kept_because="it was converted anew meanwhile")
    written = _written(Manifest.of_text(content, str(path)))
    for name, sha256 in written.items():
        problem = _problem(path.parent, name, sha256)
        if problem:
            return replace(one, kept_because=problem)
    for name in written:
        (path.parent / name).unlink(missing_ok=True)
    first = next(iter(written), "")
    for summary in (path.parent / SUMMARY, path.parent / summary_name(first)):
        is_its_own = path.name == FOLDER_MANIFEST or summary.name != SUMMARY
        if is_its_own and is_summary(summary):
            summary.unlink()
    path.unlink(missing_ok=True)
    if path.name == FOLDER_MANIFEST and not any(path.parent.iterdir()):
        path.parent.rmdir()
    return replace(one, removed=True)


def _written(manifest: Manifest) -> dict[str, str]:
    """Hashes of the files of a result, by name."""
    found = {one.file: one.sha256 for one in manifest.outputs}
    return found | {one.rejects: one.rejects_sha256 for one in manifest.outputs if one.rejects}


def _problem(folder: Path, name: str, sha256: str) -> str:
    """Why a file is not to be removed; '' for one that may, or that is not there."""
    path = folder / name
    if Path(name).name != name or path.is_symlink():
        return f"{name} is no file of this folder"
    if path.exists() and (not path.is_file() or sha256_of(path) != sha256):
        return f"{name} was changed since"
    return ""
