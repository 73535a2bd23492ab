"""Scanning a landing place: `<root>/<engagement>/<any folders>/<file>` (design AD5, AD7).

Only reads the file system; what a look means is decided in `comparison`. No symbolic link to a
folder is followed, and one to a file only if it stays inside the root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kmflow_orchestration.errors import QuarantinedFile, StorageUnavailable
from kmflow_orchestration.intake.entry_rules import (
    LONGEST_PATH_BYTES,
    PATH_TRICK,
    UNREADABLE,
    check_entry,
    engagement_of,
    is_ignored,
)
from kmflow_orchestration.intake.folder_fingerprint import fingerprint
from kmflow_orchestration.metadata.intake_records import FolderLook, Seen
from kmflow_orchestration.names import is_id, short_hash

__all__ = [
    "Descent",
    "Lister",
    "Listing",
    "engagement_id_of",
    "engagement_of",
    "folder_mtime_ns",
    "inode_of",
    "kind_of",
    "lister",
    "mtime_ns_of",
    "real_path",
    "shown",
    "sorted_folders",
    "walk",
]

# A folder changed this recently may change again within the same tick of the file system's clock.
_RACY_NS = 2_000_000_000
_INT64 = (1 << 63) - 1
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's look, and the folders directly in it by their paths, sorted."""

    look: FolderLook
    children: tuple[str, ...]


# Lists a folder of a landing place by its path; ''  is the root.
Lister = Callable[[str], Listing]


def lister(root: Path, *, now_ns: int, known: Mapping[str, int] | None = None) -> Lister:
    """What lists the folders below a root. Raises StorageUnavailable when called.

    `now_ns` is the present time in nanoseconds since 1970. Files of a folder with the fingerprint
    it has in `known` are only counted.
    """
    return _Place(root, now_ns, known or {}).list


def walk(list_folder: Lister, after: str | None = None) -> Iterator[FolderLook]:
    """Look at every folder a lister reaches from its root, in a fixed order, streaming.

    `after` resumes behind the folder of that name.

    Raises:
        StorageUnavailable: the root itself cannot be read.
    """
    resume = None if after is None else _parts(after)
    pending = [""]
    while pending:
        folder = pending.pop()
        listing = list_folder(folder)
        if resume is None or _parts(folder) > resume:
            yield listing.look
        pending.extend(
            child for child in reversed(listing.children) if _is_due(_parts(child), resume)
        )


class Descent:
    """Looks at one folder and then at all folders below it that are not known yet.

    Iterating may stop at any point; `unfinished` are then the folders that have others directly
    below them which were not looked at.
    """

    def __init__(self, list_folder: Lister, folder: str, *, known: frozenset[str]) -> None:
        self._list = list_folder
        self._known = known
        self._pending = [(folder, "")]

    def __iter__(self) -> Iterator[FolderLook]:
        while self._pending:
            folder, _ = self._pending.pop()
            listing = self._list(folder)
            self._pending.extend(
                (child, listing.look.folder)
                for child in listing.children
                if child not in self._known
            )
            yield listing.look

    @property
    def unfinished(self) -> frozenset[str]:
        return frozenset(parent for _, parent in self._pending)


def folder_mtime_ns(root: Path, folder: str) -> int | None:
    """When entries were last added to or removed from a folder; None when it is gone."""
    try:
        return mtime_ns_of((root / folder).stat())
    except OSError:
        return None


def mtime_ns_of(found: os.stat_result) -> int:
    """When a file last changed, in nanoseconds since 1970; a time no database holds is its end."""
    mtime_ns = found.st_mtime_ns
    if -_INT64 <= mtime_ns <= _INT64:
        return mtime_ns
    return _INT64 if mtime_ns > 0 else -_INT64


def kind_of(found: os.stat_result) -> str:
    """In a word what something in a folder is that is no regular file."""
    return next((word for is_one, word in _KINDS if is_one(found.st_mode)), "something else")


def real_path(root: Path, path: str) -> Path:
    """Where a landing path really lies, checked to be inside the root.

    Raises:
        QuarantinedFile: it leads out of the root.
        OSError: a part of it cannot be looked at.
    """
    if not _has_links(root, path):
        return root / path
    found = Path(os.path.realpath(root / path))
    if not found.is_relative_to(os.path.realpath(root)):
        raise QuarantinedFile(f"{path} leads out of the landing place", reason=PATH_TRICK)
    return found


def _has_links(root: Path, path: str) -> bool:
    """Whether a link, or a step up, lies between the root and the end of a path."""
    place = str(root)
    for part in path.split("/"):
        place = f"{place}/{part}"
        if part in {"", ".", ".."} or stat.S_ISLNK(os.lstat(place).st_mode):
            return True
    return False


def inode_of(found: os.stat_result) -> int:
    """Inode number as a signed 64-bit integer, which is what databases hold."""
    return found.st_ino & _INT64


def _parts(folder: str) -> tuple[str, ...]:
    # As it is shown: that is what a cursor names, and a name that is no UTF-8 sorts elsewhere.
    return tuple(shown(folder).split("/")) if folder else ()


def _is_due(child: tuple[str, ...], resume: tuple[str, ...] | None) -> bool:
    # A folder before the resume point may still hold folders behind it: only its ancestors may.
    return resume is None or child > resume or child == resume[: len(child)]


def engagement_id_of(folder: str) -> str:
    """Id of the engagement whose folder it is or lies in, '' for none."""
    first = folder.partition("/")[0]
    return first if is_id(first) else ""


def sorted_folders(paths: Iterable[str]) -> tuple[str, ...]:
    """In the order of a walk."""
    return tuple(sorted(paths, key=_parts))


def shown(path: str) -> str:
    """A path as the ledger names it: text for every database, be it no UTF-8 or without end."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if len(text.encode()) <= LONGEST_PATH_BYTES:
        return text
    # Such a file may not enter, but its line in the ledger must name it, and no other.
    return f"{text[:200]}…{short_hash(text, 16)}…{text[-200:]}"


@dataclass(frozen=True, slots=True)
class _Place:
    root: Path
    now_ns: int
    known: Mapping[str, int]

    def list(self, folder: str) -> Listing:
        found: list[os.DirEntry[str]] = []
        children: list[str] = []
        prefix = f"{folder}/" if folder else ""
        try:
            mtime_ns = mtime_ns_of((self.root / folder).stat())
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        children.append(prefix + entry.name)
                    else:
                        found.append(entry)
        except OSError as error:
            return self._not_listed(folder, error)
        if self.now_ns - mtime_ns < _RACY_NS:
            mtime_ns = 0
        name = shown(folder)
        print_ = fingerprint(found, settled_before_ns=self.now_ns - _RACY_NS)
        fresh = [] if print_ and print_ == self.known.get(name) else found
        look = FolderLook(
            name,
            mtime_ns,
            tuple(self._see(entry, prefix + entry.name, name) for entry in fresh),
            engagement_id_of(folder),
            fingerprint=print_,
            unchanged=len(found) - len(fresh),
        )
        return Listing(look, sorted_folders(children))

    def _not_listed(self, folder: str, error: OSError) -> Listing:
        if not folder:
            raise StorageUnavailable(
                f"the landing place {self.root} cannot be read: {error.strerror}",
                hint="create the folder, or give it to the user that runs this",
            ) from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Listing(FolderLook(shown(folder), 0, (), is_gone=True), ())
        seen = Seen(
            path=f"{shown(folder)}/",
            folder=shown(folder),
            engagement_id=engagement_id_of(folder),
            size_bytes=0,
            mtime_ns=0,
            inode=0,
            problem=UNREADABLE,
            message=f"the folder cannot be read: {error.strerror}",
        )
        return Listing(FolderLook(shown(folder), 0, (seen,), engagement_id_of(folder)), ())

    def _see(self, entry: os.DirEntry[str], path: str, folder: str) -> Seen:
        found: os.stat_result | None = None
        problem = message = ""
        try:
            check_entry(PurePosixPath(path))
            found = self._stat(entry, path)
        except QuarantinedFile as error:
            problem, message = error.reason, str(error)
        except OSError as error:
            problem, message = UNREADABLE, error.strerror or type(error).__name__
        return Seen(
            path=shown(path),
            folder=folder,
            engagement_id=engagement_id_of(folder),
            size_bytes=found.st_size if found else 0,
            mtime_ns=mtime_ns_of(found) if found else 0,
            inode=inode_of(found) if found else 0,
            problem=problem,
            message=message,
        )

    def _stat(self, entry: os.DirEntry[str], path: str) -> os.stat_result:
        if entry.is_symlink():
            real_path(self.root, path)
            if entry.is_dir():
                raise QuarantinedFile(f"{path} is a link to a folder", reason=PATH_TRICK)
        found = entry.stat()
        if not stat.S_ISREG(found.st_mode):
            told = f"{path} is {kind_of(found)}, not a regular file"
            raise QuarantinedFile(told, reason=UNREADABLE)
        if not os.access(entry.path, os.R_OK):
            raise QuarantinedFile(f"{path} may not be read", reason=UNREADABLE)
        return found
