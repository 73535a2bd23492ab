"""Which files of a Volume's folder are converted, and under which names (row D13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kmflow_orchestration.databricks_client.files import ListedName
from kmflow_orchestration.errors import (
    CorruptInput,
    InvalidOptions,
    KmflowError,
    UnsafePath,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.convert.folder_plan import (
    FolderPlan,
    fits,
    plan_folder,
    plan_of,
)
from kmflow_orchestration.operations.convert.layout import is_manifest_name
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.volume_conversion.volumes import READ, Volumes, naming_grants
from kmflow_orchestration.outputs.places import overlap, within


def plan_volume_folder(
    source: str,
    output: str | None = None,
    *,
    volumes: Volumes,
    patterns: Sequence[str] = ("*",),
    recursive: bool = False,
    max_files: int | None = None,
) -> FolderPlan:
    """As `plan_folder`, where the folder, its results or both lie in a Volume.

    Paths of Volumes stand in the plan as `/Volumes/…`.

    Raises:
        InvalidOptions: there is no such folder, or no place for the results was named.
        UnsafePath: the results would lie in the folder itself, or around it.
        PlaceNotAllowed, GroupMismatch, AccessRefused, RemoteFault: as `Volumes` and its access.
    """
    origin = volumes.source(source)
    goal = volumes.target(output) if output is not None else None
    if isinstance(origin, Path):
        target = Path(str(goal)) if goal is not None else None
        return plan_folder(
            origin, target, patterns=patterns, recursive=recursive, max_files=max_files
        )
    if goal is None:
        goal = _beside(origin)
        volumes.check_target(goal)
    if isinstance(goal, VolumePath) and overlap(goal, origin):
        raise UnsafePath(f"{goal.text} lies in {origin.text}", hint="name an OUT_DIR outside of it")
    if isinstance(goal, Path) and goal.exists() and not goal.is_dir():
        raise UnsafePath(f"{goal} is a file, and a folder is needed there")
    with naming_grants(origin, READ):
        if not volumes.access.is_directory(origin):
            raise InvalidOptions(f"{origin.text} is no folder", hint="kmflow convert takes files")
        found = sorted(_matching(volumes, origin, patterns, recursive=recursive))
    root = Path(origin.text)
    return plan_of(root, root, Path(str(goal)), found, max_files=max_files)


def _beside(origin: VolumePath) -> VolumePath:
    if not origin.parts:
        raise InvalidOptions(
            f"{origin.text} has no place beside it for results", hint="name an OUT_DIR"
        )
    return origin.parent.joined(f"{origin.name}_converted")


def _matching(
    volumes: Volumes, root: VolumePath, patterns: Sequence[str], *, recursive: bool
) -> Iterator[tuple[str, str]]:
    """Paths within the folder, and what is wrong with each."""
    folders = [root]
    while folders:
        folder = folders.pop()
        entries = list(volumes.access.list_names(folder))
        made = _made_from(volumes, root, folder, entries)
        for entry in entries:
            if entry.name in made:
                continue
            path = "/".join((*folder.parts[len(root.parts) :], entry.name))
            try:
                place = folder.joined(entry.name)
            except UnsafePath as error:
                if not entry.is_directory and fits(entry.name, path, patterns):
                    yield path, f"not named as a file can be: {error.message}"
                continue
            if entry.is_directory:
                if recursive and not entry.name.startswith(".") and _may_read(volumes, place):
                    folders.append(place)
            elif fits(entry.name, path, patterns):
                yield path, ""


def _may_read(volumes: Volumes, place: VolumePath) -> bool:
    """Stored evidence that lies further down is no part of a folder of files."""
    if volumes.places is None:
        return True
    try:
        volumes.places.check_source(place)
    except KmflowError:
        return False
    return True


def _made_from(
    volumes: Volumes, root: VolumePath, folder: VolumePath, entries: Sequence[ListedName]
) -> set[str]:
    """Manifests, and results of files within the root: those are sources, these are not."""
    names = [one.name for one in entries if not one.is_directory and is_manifest_name(one.name)]
    found = set(names)
    for name in names:
        manifest = read_manifest(volumes, folder.joined(name))
        if manifest is not None and _lies_within(manifest, root):
            found.update(one.file for one in manifest.outputs)
            found.update(manifest.rejects)
    return found


def _lies_within(manifest: Manifest, root: VolumePath) -> bool:
    try:
        return within(VolumePath.parse(manifest.source_path), root)
    except UnsafePath:
        return False


def read_manifest(volumes: Volumes, path: VolumePath) -> Manifest | None:
    """A manifest of a Volume; None for a file that is none of ours.

    Raises:
        AccessRefused, RemoteFault: it cannot be read; RemoteNotFound without one.
    """
    with volumes.access.open_read(path) as stream:
        text = stream.read()
    try:
        return Manifest.of_text(text, path.text)
    except CorruptInput:
        return None
