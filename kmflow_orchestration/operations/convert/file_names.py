"""Names of files and columns that every system takes (row D20)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePath

_UNSAFE = re.compile(r'[<>:"/\\|?*\s\x00-\x1f\x7f-\x9f]+')
# Windows takes the raised digits for plain ones here.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"}
)
# They say how a file is packed; what it is stands before them.
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})
_LONGEST_BYTES = 120


def stem_of(name: str) -> str:
    """A file's name without its suffix, and without both of `.xml.gz`; safe."""
    path = PurePath(name)
    if path.suffix.lower() in _PACKED and PurePath(path.stem).suffix:
        path = PurePath(path.stem)
    return safe_name(path.stem)


def safe_name(text: str) -> str:
    """A name that no file system refuses; a long one ends in a hash of itself."""
    name = re.sub(r"_{2,}", "_", _UNSAFE.sub("_", text)).strip("_ .") or "data"
    if name.partition(".")[0].lower() in _DEVICES:
        name = f"_{name}"
    if len(name.encode("utf-8", "surrogateescape")) <= _LONGEST_BYTES:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    short = name.encode("utf-8", "surrogateescape")[:_LONGEST_BYTES].decode("utf-8", "ignore")
    return f"{short}_{digest}"


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names; those that are one to a system that looks past case get `_2`, `_3`, …."""
    taken: set[str] = set()
    found = []
    for name in names:
        unique, number = name, 2
        while _seen_as(unique) in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(_seen_as(unique))
        found.append(unique)
    return tuple(found)


def _seen_as(name: str) -> str:
    """What some systems take it for: an accent may be a character of its own or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def kept_columns(headers: Sequence[str]) -> tuple[str, ...]:
    """Headers as they stand but trimmed; an empty one is `column_<n>`."""
    trimmed = (header.strip() for header in headers)
    return distinct(header or f"column_{at}" for at, header in enumerate(trimmed, start=1))
