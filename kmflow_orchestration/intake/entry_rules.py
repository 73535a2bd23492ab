"""Which paths of a landing place may enter, which are refused, which are no evidence at all."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath

from kmflow_orchestration.errors import QuarantinedFile, UnsafePath
from kmflow_orchestration.identity import stored_name
from kmflow_orchestration.intake.side_files import SUFFIX
from kmflow_orchestration.names import ID_RULE, EngagementId, check_path_part, is_id

NO_ENGAGEMENT = "no_engagement"
BAD_NAME = "bad_name"
PATH_TRICK = "path_trick"
UNREADABLE = "unreadable"
VANISHED = "vanished"
EMPTY = "empty"
TOO_LARGE = "too_large"
TYPE_NOT_ALLOWED = "type_not_allowed"

# Written by editors, browsers, operating systems and copy tools while a file is not done.
_PASSING = (
    ".[!.]*", "~$*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload", "*.download",
    "*.filepart", "*.opdownload", "*.swp", "thumbs.db", "desktop.ini",
)  # fmt: skip
# Asked of every name in every look: an ending is found several times faster than a pattern.
_ENDINGS = (SUFFIX, *(p[1:] for p in _PASSING if p.startswith("*")))
_IGNORED = re.compile("|".join(translate(p) for p in _PASSING if not p.startswith("*")))
# A database's index takes no longer key, and who has such a path has lost his way in his folders.
LONGEST_PATH_BYTES = 2000
# A stored name is longer than its file's; any id will do, only its length counts.
LONGEST_NAME_BYTES = 255 - len(stored_name("0" * 32, ""))


def is_ignored(name: str) -> bool:
    """Whether a file or folder is hidden, temporary, or a side file of another."""
    lower = name.lower()
    return lower.endswith(_ENDINGS) or _IGNORED.match(lower) is not None


def ignoring_rule(name: str) -> str:
    """The pattern by which a name is no evidence, '' for one that may be."""
    lower = name.lower()
    if lower.endswith(SUFFIX):
        return f"*{SUFFIX}"
    return next((pattern for pattern in _PASSING if fnmatchcase(lower, pattern)), "")


def engagement_of(path: PurePosixPath) -> EngagementId:
    """Engagement that a landing path belongs to: its first folder (design AD5).

    Raises:
        QuarantinedFile: the file lies above any engagement folder, or the folder's name is no id.
    """
    if len(path.parts) < 2:
        raise QuarantinedFile(
            f"{path} lies in no engagement's folder",
            reason=NO_ENGAGEMENT,
            hint="move it into a folder named after the engagement",
        )
    if not is_id(path.parts[0]):
        raise QuarantinedFile(
            f"{path.parts[0]!r} is no engagement id", reason=BAD_NAME, hint=ID_RULE
        )
    return EngagementId(path.parts[0])


def check_entry(path: PurePosixPath) -> EngagementId:
    """Engagement of a path whose every part may become part of a stored path.

    Raises:
        QuarantinedFile: no engagement, a bad name, a name made to look like a path, or too long.
    """
    if len(str(path).encode("utf-8", "surrogateescape")) > LONGEST_PATH_BYTES:
        raise QuarantinedFile(
            f"a path of over {LONGEST_PATH_BYTES} bytes",
            reason=BAD_NAME,
            hint="move it nearer to its engagement's folder",
        )
    for part in path.parts:
        check_part(part)
    size = len(path.name.encode())
    if size > LONGEST_NAME_BYTES:
        raise QuarantinedFile(
            f"a name of {size} bytes, the most is {LONGEST_NAME_BYTES}",
            reason=BAD_NAME,
            hint="rename it",
        )
    return engagement_of(path)


def check_part(part: str) -> None:
    """Raises QuarantinedFile: a name that cannot be part of a path of ours."""
    try:
        part.encode("utf-8")
        check_path_part(part)
    except UnicodeEncodeError as error:
        raise QuarantinedFile("a name that is no UTF-8", reason=BAD_NAME) from error
    except UnsafePath as error:
        reason = PATH_TRICK if _looks_like_a_path(part) else BAD_NAME
        raise QuarantinedFile(error.message, reason=reason, hint="rename it") from error


def _looks_like_a_path(part: str) -> bool:
    return part in {".", ".."} or "\\" in part or "%" in part
