"""A tree of evidence that is to be moved or compared: `<root>/<engagement>/<any folders>/<file>`.

Unlike a landing place it is at rest and may be an evidence store itself. Only reads. Nothing that
is not taken along goes unnamed: it is a problem, or hidden.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import ConfigurationError, QuarantinedFile
from kmflow_orchestration.intake.entry_rules import PATH_TRICK, UNREADABLE, check_entry
from kmflow_orchestration.storage.evidence_paths import FOLDER
from kmflow_orchestration.storage.unchanged_files import FileState, settled_state

BROKEN_LINK = "broken_link"
LINKED_FOLDER = "linked_folder"
NOT_A_FILE = "not_a_file"
CHANGED = "changed"

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class SourceFile:
    """A file that can be taken along; `path` is below the root, with `/`."""

    path: str
    engagement_id: str
    size_bytes: int
    mtime_ns: int
    real: Path = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders between the engagement and the file."""
        return PurePosixPath(self.path).parts[1:-1]


@dataclass(frozen=True, slots=True, order=True)
class SourceProblem:
    """Something in the tree that cannot be taken along, and why."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceTree:
    """What lies below `root`, sorted by path; `hidden` counts names with a dot in front."""

    root: Path
    files: tuple[SourceFile, ...]
    problems: tuple[SourceProblem, ...]
    hidden: int
    folders: int

    def of(self, engagement: str | None) -> SourceTree:
        """The part of one engagement; None is all."""
        if engagement is None:
            return self
        files = tuple(one for one in self.files if one.engagement_id == engagement)
        problems = tuple(one for one in self.problems if one.path.split("/")[0] == engagement)
        return SourceTree(self.root, files, problems, self.hidden, int(bool(files)))


def walk(source_dir: Path) -> SourceTree:
    """Look at everything below a folder. Raises as `TreeWalk`."""
    looking = TreeWalk(source_dir)
    files, problems = list[SourceFile](), list[SourceProblem]()
    for found in looking.entries():
        if isinstance(found, SourceFile):
            files.append(found)
        else:
            problems.append(found)
    return SourceTree(
        looking.root,
        tuple(files),
        tuple(sorted(problems)),
        looking.hidden,
        looking.engagement_folders,
    )


def content_hash(file: SourceFile) -> str:
    """SHA-256 of a file in hex. Raises as `hash_and_state`."""
    return hash_and_state(file, None)[0]


def hash_and_state(file: SourceFile, now: datetime | None) -> tuple[str, FileState | None]:
    """SHA-256 of a file in hex, and its state where a later change of it cannot go unseen.

    `now` is the moment at which that begins; without it there is no state.

    Raises:
        QuarantinedFile: `unreadable`, or `changed` since it was looked at or while it was read.
    """
    digest = hashlib.sha256()
    try:
        # The path is resolved: what is a link or a pipe by now was put there since.
        opened = os.open(file.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _same(os.fstat(opened), file)
            state = None if now is None else settled_state(opened, now)
            while chunk := os.read(opened, _CHUNK):
                check_given_up()
                digest.update(chunk)
            _same(os.fstat(opened), file)
        finally:
            os.close(opened)
    except OSError as error:
        raise QuarantinedFile(
            f"{file.path} cannot be read: {error.strerror or type(error).__name__}",
            reason=UNREADABLE,
            hint="check that it is still there and who may read it",
        ) from error
    return digest.hexdigest(), state


def _same(found: os.stat_result, file: SourceFile) -> None:
    if (found.st_size, found.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        raise QuarantinedFile(
            f"{file.path} changed while it was read", reason=CHANGED, hint="run the command again"
        )


def _root(source_dir: Path) -> Path:
    try:
        root = Path(os.path.realpath(source_dir, strict=True))
        names = [one.name for one in root.iterdir() if not one.name.startswith(".")]
    except OSError as error:
        raise ConfigurationError(
            f"{source_dir}: {error.strerror or type(error).__name__}",
            fields=("source_dir",),
            hint="name the folder that holds a folder per engagement",
        ) from error
    store = root / FOLDER
    return store if names == [FOLDER] and store.is_dir() and not store.is_symlink() else root


class TreeWalk:
    """One walk below a folder that holds no more of it than the folders it stands in.

    A store's own root, which holds only its folder `evidence_store`, stands for that folder.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """

    def __init__(self, source_dir: Path) -> None:
        self.root = _root(source_dir)
        self.hidden = 0
        self.engagement_folders = 0

    def entries(self) -> Iterator[SourceFile | SourceProblem]:
        """Everything, sorted by path; what was counted is whole when they are at their end."""
        standing_in = [self._folder("")]
        while standing_in:
            found = next(standing_in[-1], None)
            if found is None:
                standing_in.pop()
            elif isinstance(found, str):
                standing_in.append(self._folder(found))
            else:
                yield found

    def _folder(self, folder: str) -> Iterator[SourceFile | SourceProblem | str]:
        """What is in a folder: files, problems, and the paths of folders to go down into."""
        try:
            entries = sorted(os.scandir(self.root / folder), key=_in_path_order)
        except OSError as error:
            yield _refused(folder, UNREADABLE, error.strerror or type(error).__name__)
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                self.hidden += 1
            elif entry.is_dir(follow_symlinks=False):
                self.engagement_folders += not folder
                yield path
            else:
                yield self._entry(path, entry)

    def _entry(self, path: str, entry: os.DirEntry[str]) -> SourceFile | SourceProblem:
        try:
            check_entry(PurePosixPath(path))
            real = self._real(path) if entry.is_symlink() else Path(entry.path)
            found = real.stat()
        except QuarantinedFile as error:
            return _refused(path, error.reason, error.message)
        except FileNotFoundError:
            return _refused(path, BROKEN_LINK, "a link to nothing")
        except OSError as error:
            return _refused(path, UNREADABLE, error.strerror or type(error).__name__)
        if not stat.S_ISREG(found.st_mode):
            return _refused(path, NOT_A_FILE, "neither a file nor a folder")
        engagement = path.partition("/")[0]
        return SourceFile(path, engagement, found.st_size, found.st_mtime_ns, real)

    def _real(self, path: str) -> Path:
        """Where a link leads. Raises QuarantinedFile, OSError."""
        real = Path(os.path.realpath(self.root / path, strict=True))
        if not real.is_relative_to(self.root):
            raise QuarantinedFile("a link that leads out of the tree", reason=PATH_TRICK)
        if real.is_dir():
            raise QuarantinedFile("a link to a folder, which is not followed", reason=LINKED_FOLDER)
        return real


def _in_path_order(entry: os.DirEntry[str]) -> str:
    """Paths below a folder compare as its name with `/` does."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _refused(path: str, code: str, message: str) -> SourceProblem:
    return SourceProblem(shown(path) or ".", code, message)


def shown(path: str) -> str:
    """A path as text that can be printed and written, also when it is no UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
