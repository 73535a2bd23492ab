"""The files of one result into a Volume: all of them, the manifest last, or none (row D4).

A Volume has no rename: what is replaced is copied to this machine first, and put back on a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmflow_orchestration.databricks_client.interrupts import not_given_up
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    OutputExistsError,
    RemoteConflict,
    RemoteNotFound,
    RequestRejected,
    StorageUnavailable,
    UnsafePath,
)
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.convert.layout import FOLDER_MANIFEST, manifest_name
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.volume_conversion.volume_folder_plan import read_manifest
from kmflow_orchestration.operations.volume_conversion.volumes import WRITE, Volumes, naming_grants
from kmflow_orchestration.outputs.places import within
from kmflow_orchestration.storage.verified_reading import CHUNK_BYTES, hash_of


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file of a result, by where it lies on this machine and where it goes."""

    file: Path
    place: VolumePath


@dataclass(frozen=True)
class Delivery:
    """One result on its way: `files` in their order, then `manifest`.

    `folder` is the result's own, if it has one; of the files the first `tables` are its outputs,
    and the others lie beside them. `source` is never replaced. `keep_equal`
    takes an existing file that holds the very bytes as what a killed conversion of the same source
    left.
    """

    volumes: Volumes
    files: Sequence[Parcel]
    manifest: Parcel
    tables: int
    folder: VolumePath | None = None
    source: VolumePath | None = None
    force: bool = False
    keep_equal: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """Where the tables and texts of the result lie then."""
        return tuple(one.place.text for one in self.files[: self.tables])

    def check(self) -> dict[VolumePath, int]:
        """Sizes of the files that lie where the result goes, or in its folder.

        Raises:
            OutputExistsError: there are some, and they may not be replaced.
            UnsafePath: a file where a folder goes, the reverse, or a folder no conversion made.
        """
        places = [one.place for one in (*self.files, self.manifest)]
        self.volumes.check_target(self.manifest.place)
        with naming_grants(self.manifest.place, WRITE):
            there = self._there(places)
        if self.source is not None and any(within(self.source, place) for place in there):
            raise UnsafePath(f"{self.source.text} is the source itself", hint="name another OUTPUT")
        taken = [place for place in there if place != self.manifest.place or self.folder]
        if taken and not (self.force or self.keep_equal):
            raise _exists(self.folder or taken[0])
        return there

    def _there(self, places: Sequence[VolumePath]) -> dict[VolumePath, int]:
        access = self.volumes.access
        if self.folder is None:
            found = {place: access.size(place) for place in places}
            for place, size in found.items():
                if size is None and access.is_directory(place):
                    raise UnsafePath(f"{place.text} is a folder, and a file is needed there")
            if self.force and found[self.manifest.place] is not None:
                found |= {place: access.size(place) for place in self._old_rejects()}
            return {place: size for place, size in found.items() if size is not None}
        if access.size(self.folder) is not None:
            raise UnsafePath(f"{self.folder.text} is a file, and a folder is needed there")
        entries = list(access.list_names(self.folder))
        names = {one.name for one in entries}
        is_ours = FOLDER_MANIFEST in names or names <= {place.name for place in places}
        if any(one.is_directory for one in entries) or not is_ours:
            raise UnsafePath(
                f"{self.folder.text} is a folder that no conversion made",
                hint="name another OUTPUT",
            )
        return {self.folder.joined(one.name): one.size_bytes for one in entries}

    def _old_rejects(self) -> list[VolumePath]:
        """Rows that the result to be replaced had set aside: they go with it."""
        old = read_manifest(self.volumes, self.manifest.place)
        return [self.manifest.place.parent.joined(one) for one in old.rejects] if old else []

    def carry_out(self, work: Path, progress: Progress) -> None:
        """Upload everything, confirmed by its length; on a fault what was there is there again.

        `work` is a folder for copies of what is replaced.

        Raises:
            OutputExistsError, UnsafePath: as `check`.
            FileTooLargeError: a file is larger than may be moved.
            StorageUnavailable: a file did not arrive whole; or what a fault left could not be
                removed, and is named.
            AccessRefused, RemoteFault: the workspace refused it, or could not be reached.
        """
        for parcel in self.files:
            self.volumes.check_size(parcel.place.text, parcel.file.stat().st_size)
        there = self.check()
        kept = set(self._kept(there))
        new_folders = [] if there else self._new_folders()
        changing = _Changing(self.volumes, self.manifest.place, work, new_folders)
        with naming_grants(self.manifest.place, WRITE), changing.undone_on_fault():
            changing.save(place for place in there if place not in kept)
            # An old manifest must not speak for new files.
            changing.remove(self.manifest.place)
            for at, parcel in enumerate(self.files):
                progress.at("upload", at, len(self.files), "files", parcel.place.name)
                if parcel.place not in kept:
                    changing.put(parcel)
            for place in there.keys() - {one.place for one in (*self.files, self.manifest)}:
                changing.remove(place)
            changing.put(self.manifest)
        progress.at("upload", 1, 1, "files", self.manifest.place.name)

    def _kept(self, there: dict[VolumePath, int]) -> Iterator[VolumePath]:
        """Places that hold the very bytes already. Raises OutputExistsError for other bytes."""
        if self.force:
            return
        wanted = {one.place: one.file for one in self.files}
        for place in there:
            if place == self.manifest.place:
                continue
            if place not in wanted or not _is_equal(self.volumes, place, wanted[place]):
                raise _exists(place)
            yield place

    def _new_folders(self) -> list[VolumePath]:
        """Folders that appear with the upload, the innermost first."""
        found: list[VolumePath] = []
        folder = self.manifest.place.parent
        with naming_grants(folder, WRITE):
            while folder.parts and not self.volumes.access.is_directory(folder):
                found.append(folder)
                folder = folder.parent
        return found


def delivery_of(
    volumes: Volumes,
    files: Sequence[Path],
    made: Path,
    folder: VolumePath,
    **settings: Any,
) -> Delivery:
    """Files of one result that was made below a folder of this machine, on their way to a Volume.

    `settings` are those of a Delivery.
    """
    beside = files[0].parent
    is_own = beside != made

    def parcel(path: Path) -> Parcel:
        return Parcel(path, folder.joined(*path.relative_to(made).parts))

    manifest = beside / (FOLDER_MANIFEST if is_own else manifest_name(files[0].name))
    own = folder.joined(*beside.relative_to(made).parts) if is_own else None
    # Rows that were left out go with the others. A dry run made nothing that could name them.
    made_now = Manifest.read(manifest) if manifest.is_file() else None
    rejects = [beside / name for name in made_now.rejects] if made_now is not None else []
    parcels = [parcel(file) for file in (*files, *rejects)]
    return Delivery(volumes, parcels, parcel(manifest), len(files), own, **settings)


def replace_file(volumes: Volumes, parcel: Parcel, work: Path) -> None:
    """One file instead of that which is there; on a fault that is there again.

    `work` is a folder for its copy. Raises as `Delivery.carry_out`.
    """
    changing = _Changing(volumes, parcel.place, work, [])
    with naming_grants(parcel.place, WRITE), changing.undone_on_fault():
        changing.save(iter((parcel.place,)))
        changing.put(parcel)


def _exists(place: VolumePath) -> OutputExistsError:
    return OutputExistsError(
        f"{place.text} is there already", hint="--force replaces it; or name another OUTPUT"
    )


def _is_equal(volumes: Volumes, place: VolumePath, file: Path) -> bool:
    if volumes.access.size(place) != file.stat().st_size:
        return False
    with volumes.access.open_read(place) as stream:
        return hash_of(stream) == sha256_of(file)


@dataclass
class _Changing:
    """Changes of a Volume that can be taken back; what is done is noted as it happens."""

    volumes: Volumes
    manifest: VolumePath
    work: Path
    new_folders: list[VolumePath]
    saved: dict[VolumePath, Path] = field(default_factory=dict)
    touched: list[VolumePath] = field(default_factory=list)

    def save(self, places: Iterator[VolumePath]) -> None:
        """Copy what will be replaced or removed."""
        for at, place in enumerate(places):
            copy = self.work / f"old-{at}"
            with self.volumes.access.open_read(place) as stream, copy.open("xb") as file:
                while chunk := stream.read(CHUNK_BYTES):
                    file.write(chunk)
            self.saved[place] = copy

    def remove(self, place: VolumePath) -> None:
        if place in self.saved:
            self.touched.append(place)
            self.volumes.access.delete(place)

    def put(self, parcel: Parcel) -> None:
        self.touched.append(parcel.place)
        try:
            self._upload(parcel.place, parcel.file, overwrite=parcel.place in self.saved)
        except (AccessRefused, RequestRejected, RemoteNotFound):
            # Nothing was stored.
            self.touched.remove(parcel.place)
            raise
        except RemoteConflict as error:
            # An attempt of ours whose answer was lost, or somebody was quicker.
            if not _is_equal(self.volumes, parcel.place, parcel.file):
                self.touched.remove(parcel.place)
                raise _exists(parcel.place) from error
        size, arrived = parcel.file.stat().st_size, self.volumes.access.size(parcel.place)
        if arrived != size:
            raise StorageUnavailable(f"{parcel.place.text}: {arrived} of {size} bytes arrived")

    def _upload(self, place: VolumePath, file: Path, *, overwrite: bool) -> None:
        size = file.stat().st_size
        self.volumes.access.upload(
            place, lambda: file.open("rb"), size_bytes=size, overwrite=overwrite
        )

    @contextmanager
    def undone_on_fault(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            with not_given_up():
                left = self._undo()
            if left:
                raise StorageUnavailable(
                    f"{error}; and these could not be put back as they were: {', '.join(left)}",
                    hint="remove them, and convert again",
                ) from error
            raise

    def _undo(self) -> list[str]:
        """Put back what was there and delete what is new; what could not be, by name."""
        left = []
        # The manifest speaks for the others: it goes first, and comes back last.
        touched = sorted(
            dict.fromkeys(reversed(self.touched)),
            key=lambda place: place == self.manifest and place in self.saved,
        )
        for place in touched:
            try:
                if place in self.saved:
                    self._upload(place, self.saved[place], overwrite=True)
                else:
                    self.volumes.access.delete(place)
            except (KmflowError, OSError):
                left.append(place.text)
        if not left:
            self._remove_new_folders()
        return left

    def _remove_new_folders(self) -> None:
        for folder in self.new_folders:
            try:
                if not self.volumes.access.remove_directory(folder):
                    return
            except KmflowError:
                # Empty, and it says nothing: no reason to hide what happened before.
                return
