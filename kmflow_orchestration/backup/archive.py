"""A backup's file: a tar of members with a manifest that names each with its size and SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from kmflow_orchestration.errors import BackupError
from kmflow_orchestration.file_hash import sha256_of

FORMAT = 1
MANIFEST = "manifest.json"
CONTROL_SQLITE = "control.db"
CONTROL_POSTGRES = "control.dump"
DAGSTER = "dagster"
DAGSTER_POSTGRES = "dagster.dump"
_CHUNK = 1 << 20
# A manifest names some hundred thousand run files at the most.
_LONGEST_MANIFEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file within a backup; `name` is its path there."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds, and what it needs to be restored."""

    made_at: str
    made_by: str
    revision: str
    members: tuple[Member, ...]
    format: int = FORMAT

    @property
    def names(self) -> frozenset[str]:
        return frozenset(member.name for member in self.members)

    @property
    def size_bytes(self) -> int:
        return sum(member.size_bytes for member in self.members)


def write_archive(
    target: Path, folder: Path, *, made_at: str, made_by: str, revision: str
) -> Manifest:
    """Pack all files of a folder; the target appears whole or not at all, for its owner alone.

    Raises:
        BackupError: there is a file of that name already.
    """
    members = tuple(
        Member(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    manifest = Manifest(made_at=made_at, made_by=made_by, revision=revision, members=members)
    scratch = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
                _add_manifest(archive, folder, manifest)
                for member in members:
                    archive.add(folder / member.name, arcname=member.name, filter=_anonymous)
            stream.flush()
            os.fsync(stream.fileno())
        _publish(scratch, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            scratch.unlink()
    return manifest


def _publish(scratch: Path, target: Path) -> None:
    try:
        # A link fails where a rename would replace what somebody else wrote meanwhile.
        os.link(scratch, target)
    except FileExistsError as error:
        raise BackupError(
            f"{target} is there already", hint="give it another name: a backup replaces none"
        ) from error
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _add_manifest(archive: tarfile.TarFile, folder: Path, manifest: Manifest) -> None:
    path = folder.parent / f"{folder.name}.{MANIFEST}"
    path.write_text(json.dumps(asdict(manifest), indent=2), encoding="utf-8")
    archive.add(path, arcname=MANIFEST, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who packed it is nobody's business on the machine it goes to."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def read_manifest(source: Path) -> Manifest:
    """What a backup says of itself; its members are not read.

    Raises:
        BackupError: it is none, or of a newer format.
    """
    try:
        with tarfile.open(source, "r:gz") as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST or first.size > _LONGEST_MANIFEST:
                raise BackupError(
                    f"{source} is no backup of kmflow", hint="kmflow backup --to FILE"
                )
            stream = archive.extractfile(first)
            fields: dict[str, Any] = json.load(stream) if stream else {}
    except FileNotFoundError as error:
        raise BackupError(f"there is no file {source}", hint="name the backup's file") from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise BackupError(f"{source} cannot be read as a backup: {error}") from error
    return _manifest(source, fields)


def _manifest(source: Path, fields: Mapping[str, Any]) -> Manifest:
    if fields.get("format") != FORMAT:
        raise BackupError(
            f"{source} has format {fields.get('format')!r}, this version reads {FORMAT}",
            hint="restore it with the version that made it",
        )
    try:
        members = tuple(
            Member(str(one["name"]), int(one["size_bytes"]), str(one["sha256"]))
            for one in fields["members"]
        )
        return Manifest(
            made_at=str(fields["made_at"]),
            made_by=str(fields["made_by"]),
            revision=str(fields["revision"]),
            members=members,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"the manifest of {source} is not whole") from error


def unpack(source: Path, folder: Path) -> Manifest:
    """Lay all members below a folder, each checked; nothing may lie outside of it.

    Raises:
        BackupError: a member is missing, changed, or named so that it would lead elsewhere.
    """
    manifest = read_manifest(source)
    wanted = {member.name: member for member in manifest.members}
    try:
        with tarfile.open(source, "r:gz") as archive:
            for entry in archive:
                if entry.name != MANIFEST:
                    _unpack_one(archive, entry, wanted.pop(entry.name, None), folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BackupError(f"{source} is damaged: {error}", hint="take another backup") from error
    if wanted:
        raise BackupError(f"{source} lacks {min(wanted)}", hint="take another backup")
    return manifest


def _unpack_one(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, member: Member | None, folder: Path
) -> None:
    path = PurePosixPath(entry.name)
    if member is None or not entry.isfile() or path.is_absolute() or ".." in path.parts:
        raise BackupError(f"{entry.name!r} does not belong into a backup")
    stream = archive.extractfile(entry)
    target = folder / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        while stream is not None and (chunk := stream.read(_CHUNK)):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != member.sha256:
        raise BackupError(f"{entry.name} is not what was backed up", hint="take another backup")
