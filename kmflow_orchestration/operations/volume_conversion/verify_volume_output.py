"""Is a result in a Volume still what its source says? As for one of this machine (H4, CD-N3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import AccessRefused, InvalidOptions
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.convert.layout import (
    FOLDER_MANIFEST,
    is_manifest_name,
    manifest_name,
)
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.convert.verify_output import (
    OutputVerification,
    verify_output,
)
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    OUT,
    copied,
    source_of,
    source_size,
)
from kmflow_orchestration.operations.volume_conversion.delivery import Parcel, replace_file
from kmflow_orchestration.operations.volume_conversion.fetching import fetch
from kmflow_orchestration.operations.volume_conversion.volume_folder_plan import read_manifest
from kmflow_orchestration.operations.volume_conversion.volumes import READ, Volumes, naming_grants


def verify_volume_output(
    output: str, source: str | None = None, *, volumes: Volumes, password: Secret | None = None
) -> OutputVerification:
    """`verify_output` of copies; what came out is noted in the manifest in the Volume.

    Without `source` the manifest says where it lies, if that is a Volume.

    Raises:
        InvalidOptions: no manifest speaks for `output`, or nothing says where its source lies.
        GroupMismatch, PlaceNotAllowed: places that the group may not read.
        CorruptInput: the source cannot be read any more.
        AccessRefused, RemoteFault: the workspace refused it, or could not be reached.
    """
    there = volumes.source(output)
    if not isinstance(there, VolumePath):
        raise InvalidOptions(f"{output} lies in no Volume")
    place, manifest = _manifest(volumes, there)
    where = source_of(output, manifest.source_path, source)
    origin = volumes.source(where)
    size = source_size(volumes, origin)
    sizes = dict(_sizes(volumes, manifest, place.parent))
    with volumes.work(max(size, sum(sizes.values()))) as work:
        results = work / OUT
        results.mkdir()
        for file, its_size in sizes.items():
            fetch(volumes, file, its_size, results, Progress())
        copy = copied(volumes, origin, size, work / "in", Progress())
        noted = results / place.name
        noted.write_text(manifest.as_text(), encoding="utf-8")
        found = verify_output(noted, copy, clock=volumes.clock, password=password)
        notes = (*found.notes, *_noted(volumes, noted, place, work))
        return replace(found, output=output, source=where, manifest_path=place.text, notes=notes)


def _manifest(volumes: Volumes, output: VolumePath) -> tuple[VolumePath, Manifest]:
    with naming_grants(output, READ):
        for place in _places(volumes, output):
            if volumes.access.size(place) is not None:
                manifest = read_manifest(volumes, place)
                if manifest is not None:
                    return place, manifest
    raise InvalidOptions(
        f"no manifest of a conversion speaks for {output.text}",
        hint="name a file, or a result's own folder, that `kmflow convert` made",
    )


def _places(volumes: Volumes, output: VolumePath) -> Iterator[VolumePath]:
    """Where a manifest may lie."""
    if not output.parts or volumes.access.is_directory(output):
        yield output.joined(FOLDER_MANIFEST)
        return
    if is_manifest_name(output.name):
        yield output
        return
    yield output.parent.joined(manifest_name(output.name))
    yield output.parent.joined(FOLDER_MANIFEST)


def _sizes(
    volumes: Volumes, manifest: Manifest, folder: VolumePath
) -> Iterator[tuple[VolumePath, int]]:
    """Files of a result that are there; what is not is told as a difference."""
    names = dict.fromkeys(name for one in manifest.outputs for name in (one.file, one.rejects))
    with naming_grants(folder, READ):
        for name in filter(None, names):
            file = folder.joined(name)
            size = volumes.access.size(file)
            if size is not None:
                volumes.check_size(file.text, size)
                yield file, size


def _noted(volumes: Volumes, manifest: Path, place: VolumePath, work: Path) -> Iterator[str]:
    """Put the manifest back with what came out; a place that may not be written stays as it is."""
    try:
        volumes.check_target(place)
        replace_file(volumes, Parcel(manifest, place), work)
    except AccessRefused as error:
        yield f"the manifest cannot be written: {error.message}"
