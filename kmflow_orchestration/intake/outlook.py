"""What would happen to a landing path if it came now: the same rules, asked for one path."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.databricks_client.files import ListedName
from kmflow_orchestration.errors import AccessRefused, QuarantinedFile, RemoteFault
from kmflow_orchestration.intake import volume_landing
from kmflow_orchestration.intake.decisions import Kind
from kmflow_orchestration.intake.entry_rules import (
    EMPTY,
    TOO_LARGE,
    UNREADABLE,
    check_entry,
    ignoring_rule,
)
from kmflow_orchestration.intake.entry_types import check_type
from kmflow_orchestration.intake.file_rules import IGNORED, QUIET, rule_of
from kmflow_orchestration.intake.landing import inode_of, kind_of, mtime_ns_of, real_path
from kmflow_orchestration.intake.reading import FileChanged
from kmflow_orchestration.intake.volume_landing import VolumeLanding
from kmflow_orchestration.metadata.intake_records import LandingFile, LandingLine, State
from kmflow_orchestration.storage.verified_reading import hash_of, open_regular

MISSING = "missing"
IGNORED_WORD = "ignored"
UNKNOWN = "unknown"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """`verdict` is a state, a kind of decision, `ignored`, `missing` or `unknown`."""

    verdict: str
    reason: str
    rule: str = ""
    setting: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Landing:
    """A group's landing place and the limits in force there."""

    root: Path | VolumeLanding
    quiet_period_s: float
    max_size_bytes: int

    @property
    def place(self) -> str:
        """Where it is, as messages name it."""
        return str(self.root if isinstance(self.root, Path) else self.root.directory)


def outlook(
    path: str,
    landing: Landing,
    line: LandingLine | None,
    *,
    now: datetime,
    decide_on: Callable[[str], Kind],
) -> Outlook:
    """Ask every rule in the order intake does; `decide_on` decides about a content's SHA-256."""
    asked = _Asked(path, landing, line, now, decide_on)
    if not isinstance(landing.root, Path):
        return _by_name(path) or _in_volume(asked, landing.root)
    return _by_name(path) or _by_folders(path, landing.root) or _by_file(asked, landing.root)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question about a path, with all that answers need."""

    path: str
    landing: Landing
    line: LandingLine | None
    now: datetime
    decide_on: Callable[[str], Kind]


def _by_name(path: str) -> Outlook | None:
    for part in PurePosixPath(path).parts:
        if pattern := ignoring_rule(part):
            reason = f"{part!r} matches {pattern}"
            return Outlook(IGNORED_WORD, reason, IGNORED.text, IGNORED.setting)
    try:
        check_entry(PurePosixPath(path))
    except QuarantinedFile as error:
        return _refused(error.reason, str(error))
    return None


def _by_folders(path: str, root: Path) -> Outlook | None:
    """What a folder on the way does to all that lies in it."""
    place, names = root, ["", *PurePosixPath(path).parts[:-1]]
    for name in names:
        place = place / name
        told = f"the folder {place}"
        try:
            found = place.stat() if place == root else place.lstat()
        except FileNotFoundError:
            return Outlook(MISSING, f"{told} is not there", setting="landing_path")
        except OSError as error:
            return _refused(UNREADABLE, f"{told} cannot be looked at: {error.strerror}")
        if stat.S_ISLNK(found.st_mode):
            reason = f"{told} is a link, and links to folders are not followed"
            return Outlook(IGNORED_WORD, reason, "nothing may lead out of landing")
        if not stat.S_ISDIR(found.st_mode):
            return Outlook(MISSING, f"{place} is no folder")
        if not os.access(place, os.R_OK | os.X_OK):
            return _refused(UNREADABLE, f"{told} may not be read by this process")
    return None


def _in_volume(asked: _Asked, place: VolumeLanding) -> Outlook:
    try:
        entry = place.find(asked.path)
        if entry is None:
            return Outlook(MISSING, f"there is no file {asked.path} in {place.directory}")
        if entry.is_directory:
            return Outlook(MISSING, f"{asked.path} is a folder: ask about a file in it")
        file = _as_file(asked, entry)
        signature = (file.size_bytes, file.mtime_ns, file.inode, "")
        limit = asked.landing.max_size_bytes
        return _by_version(
            asked,
            signature,
            lambda: place.read(file, max_size_bytes=limit, now=asked.now).content_hash,
        )
    except FileChanged:
        return Outlook(str(State.WAITING), "it is being written just now", QUIET.text)
    except (AccessRefused, RemoteFault) as error:
        # What was decided before is told all the same.
        return Outlook(UNKNOWN, f"the landing place cannot be asked now: {error}")


def _as_file(asked: _Asked, entry: ListedName) -> LandingFile:
    return LandingFile(
        path=asked.path,
        engagement_id=asked.path.partition("/")[0],
        file_name=entry.name,
        size_bytes=entry.size_bytes,
        mtime_ns=volume_landing.mtime_ns_of(entry),
        inode=0,
        state=State.PENDING,
        first_seen_at=asked.now,
        received_on=utc_day(asked.now),
        attempts=0,
        version=0,
    )


def _by_file(asked: _Asked, root: Path) -> Outlook:
    path = asked.path
    try:
        place = real_path(root, path)
        found = place.stat()
    except QuarantinedFile as error:
        return _refused(error.reason, str(error))
    except FileNotFoundError:
        return Outlook(MISSING, f"there is no file {path} in {root}")
    except OSError as error:
        return _refused(UNREADABLE, f"{path} cannot be looked at: {error.strerror}")
    if stat.S_ISDIR(found.st_mode):
        return Outlook(MISSING, f"{path} is a folder: ask about a file in it")
    if not stat.S_ISREG(found.st_mode):
        return _refused(UNREADABLE, f"{path} is {kind_of(found)}, not a regular file")
    if not os.access(place, os.R_OK):
        return _refused(UNREADABLE, f"{path} may not be read by this process")
    signature = (found.st_size, mtime_ns_of(found), inode_of(found), "")
    return _by_version(asked, signature, lambda: _allowed_content(path, place, found.st_size))


def _as_known(line: LandingLine) -> Outlook:
    """Nothing new is there: it goes on as the ledger says."""
    rule = rule_of(line.state, line.code)
    if line.state is State.STORED:
        same = rule_of(Kind.UNCHANGED)
        return Outlook("same", "nothing changed since it was stored", same.text, same.setting)
    again = f", again at {line.retry_at:%Y-%m-%d %H:%M} UTC" if line.retry_at else ""
    told = f"{line.message or rule.text}{again}"
    return Outlook(str(line.state), told, rule.text, rule.setting, line.code)


def _by_version(
    asked: _Asked, signature: tuple[int, int, int, str], content: Callable[[], str]
) -> Outlook:
    """What becomes of a version; `content` gives its SHA-256 and may refuse it."""
    path, landing, line = asked.path, asked.landing, asked.line
    if line is not None and (line.signature == signature or line.state is State.CLAIMED):
        return _as_known(line)
    size_bytes, mtime_ns, _, _ = signature
    quiet_s = asked.now.timestamp() - mtime_ns / 1e9
    if landing.quiet_period_s and quiet_s < landing.quiet_period_s:
        reason = (
            f"it changed {max(quiet_s, 0):.0f} s ago, the quiet period is "
            f"{landing.quiet_period_s:g} s"
        )
        return Outlook(str(State.WAITING), reason, QUIET.text, QUIET.setting)
    if size_bytes == 0:
        return _refused(EMPTY, f"{path} is empty")
    if size_bytes > landing.max_size_bytes:
        told = f"{path} has {size_bytes} bytes, the limit is {landing.max_size_bytes}"
        return _refused(TOO_LARGE, told)
    try:
        kind = asked.decide_on(content())
    except QuarantinedFile as error:
        return _refused(error.reason, error.message)
    except OSError as error:
        return _refused(UNREADABLE, f"{path} cannot be read: {error.strerror}")
    rule = rule_of(kind)
    verdict = "same" if kind in {Kind.UNCHANGED, Kind.SAME_ITEM} else str(kind)
    return Outlook(verdict, "the next look takes it in", rule.text, rule.setting)


def _refused(code: str, reason: str) -> Outlook:
    rule = rule_of(State.QUARANTINED, code)
    return Outlook(str(State.QUARANTINED), reason, rule.text, rule.setting, code)


def _allowed_content(path: str, place: Path, size_bytes: int) -> str:
    """SHA-256 of a file. Raises QuarantinedFile for a type that may not enter, OSError."""
    with open_regular(place) as stream:
        head = stream.read(_CHUNK)
        check_type(
            path, media_type_of_content(head, size_bytes, partial(os.pread, stream.fileno()))
        )
        stream.seek(0)
        return hash_of(stream)
