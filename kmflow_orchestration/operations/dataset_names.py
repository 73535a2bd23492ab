"""Which dataset a file belongs to, and the names its table may take (design AD9)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.converters.packed_source import PACKED_SUFFIXES
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.names import EngagementId, GroupId, safe_column, short_hash

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sep(?:t|tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
# As Windows, macOS and Linux desktops name copies.
_COPY = re.compile(
    r"""(?ix)
    ^copy[ _-](?:\(\d+\)[ _-])?of[ _-]+
    | [ _-]*\(\d+\)$
    | [ _-]+copy(?:[ _-]*\(?\d+\)?)?$
    | [ _-]*\((?:another[ ]|\d+(?:st|nd|rd|th)[ ])?copy(?:[ ]\d+)?\)$
    """
)
_DATED_MONTH = re.compile(
    rf"(?ix) (?<![a-z]) (?:\d{{1,2}}[ ._-]?)? (?:{_MONTHS}) [ ._-]?\d{{2,4}} (?!\d)"
)
_DIGITS = re.compile(r"\d+")
_EDGES = " \t._-+,()[]{}#&"
_SEPARATORS = re.compile(r"[ \t._-]{2,}")
_MAX_LENGTH = 120
EMPTY_STEM = "data"
_SHARED = "\x1e"


def dataset_key(file_name: str, part: str = "") -> str:
    """The file's stem without digits, dates and copy suffixes, and the part of a workbook.

    Never its shape: next month's file of the same name is the same dataset whatever is in it.
    """
    path = PurePath(file_name)
    if path.suffix.lower() in PACKED_SUFFIXES:
        path = path.with_suffix("")
    return named_key(_plain_stem(path.stem), part)


def named_key(name: str, part: str = "") -> str:
    """The dataset of a file that somebody named; all files of that name are of one."""
    return f"{name}\x1f{part.strip().casefold()}" if part else name


def stem_of_key(key: str) -> str:
    """What the keys of all parts of a file have in common."""
    return key.partition("\x1f")[0]


def is_whole_file(key: str) -> bool:
    """Whether files are one table by it: not of a sheet, nor what all files of a kind share."""
    return not key.startswith(_SHARED) and "\x1f" not in key


def shared_key(part: str) -> str:
    """The dataset that all files of a kind share in an engagement; no file's own has such a key."""
    return f"{_SHARED}{part}"


def _plain_stem(stem: str) -> str:
    previous = ""
    while stem != previous:
        previous = stem
        stem = _COPY.sub("", stem.strip())
    stem = _DIGITS.sub("", _DATED_MONTH.sub("", stem))
    return _SEPARATORS.sub("_", stem).strip(_EDGES).casefold()


def table_prefix(engagement: str) -> str:
    """What the name of every table of an engagement begins with."""
    return f"{engagement.replace('-', '_')}__"


def table_names(engagement: EngagementId, key: str) -> tuple[str, str]:
    """The name a dataset's table takes, and the one to take when another dataset has it.

    Keys that differ may come out alike when cleaned; six hex digits of the key tell them apart.
    """
    stem, _, part = key.partition("\x1f")
    cleaned = safe_column(stem) or EMPTY_STEM
    if part:
        cleaned = f"{cleaned}__{safe_column(part) or 'sheet'}"
    mark = short_hash(f"{engagement}\x1f{key}")
    prefix = table_prefix(engagement)
    marked = f"{prefix}{cleaned[:_MAX_LENGTH]}_{mark}"
    return (prefix + cleaned if len(cleaned) <= _MAX_LENGTH else marked, marked)


def no_such_table(
    group: GroupId, asked: str, known: Sequence[str], *, meant: str = ""
) -> InvalidSettings:
    """That a group has these dataset tables and not this one; `meant` is the whole of its name."""
    return InvalidSettings(
        f"group {group} has no dataset table {asked!r}{nearest(meant or asked, known)}",
        fields=("table",),
        hint=f"there are {', '.join(known[:10]) or 'none yet'}",
    )
