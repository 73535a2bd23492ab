"""Names of files in archives: text that others wrote, never a place on our disk."""

from __future__ import annotations

import re

from kmflow_orchestration.names import short_hash

INSIDE = "!/"
"""Stands between a nested archive and the files in it, as in `old.zip!/loans.csv`."""
_DRIVE = re.compile(r"[A-Za-z]:")
# What systems add of their own accord to what people pack.
_HOUSEKEEPING = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_LONGEST_BYTES = 2000
_LONGEST_PART = 255


def is_unsafe(name: str) -> bool:
    """Whether a name is absolute, leads upwards, or cannot be a name at all."""
    path = name.replace("\\", "/")
    return (
        not file_name_of(name)
        or "\0" in name
        or path.startswith("/")
        or _DRIVE.match(path) is not None
        or ".." in path.split("/")
        or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_BYTES
    )


def file_name_of(name: str) -> str:
    """The last part of a name, whichever slash parts it."""
    return name.replace("\\", "/").rpartition("/")[2]


def is_housekeeping(name: str) -> bool:
    """Whether a file is a system's own note on a folder or file, and nobody's evidence."""
    *folders, last = name.replace("\\", "/").split("/")
    return last.lower() in _HOUSEKEEPING or ("__MACOSX" in folders and last.startswith("._"))


def part_name(path: str, part: str) -> str:
    """What a table of a file is called: by the file's path, and its own part if it has one."""
    name = f"{path} [{part}]" if part else path
    if len(name) <= _LONGEST_PART:
        return name
    return f"{short_hash(name)}\N{HORIZONTAL ELLIPSIS}{name[-(_LONGEST_PART - 15) :]}"
