"""What every kind of archive tells of its files, and how their bytes are had (row D40)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from kmflow_orchestration.converters.archives.limits import Budget
from kmflow_orchestration.converters.archives.member_names import file_name_of, is_unsafe
from kmflow_orchestration.converters.failures import TOO_LARGE

UNSAFE_NAME = "unsafe_name"
LINK = "link"
NOT_A_FILE = "not_a_file"
ENCRYPTED = "encrypted"
HOW_TO_UNLOCK = (
    "`kmflow convert` takes its password with --password-env NAME; or unpack it, and pack it anew"
)

_MEMO_SUFFIXES = (".dbt", ".fpt", ".cpg")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive under the name it has there; `key` is what its reader knows it by.

    `packed_bytes` is 0 where files are not compressed one by one. `problem` says why it is refused
    unread, '' if it is not; `told` says it in words.
    """

    number: int
    name: str
    size_bytes: int
    packed_bytes: int
    key: Any
    problem: str = ""
    told: str = ""

    @property
    def file_name(self) -> str:
        return file_name_of(self.name)

    def refused(self, problem: str, told: str) -> Entry:
        return replace(self, problem=problem, told=told)


@dataclass(frozen=True, slots=True)
class Listing:
    """Files by name, without folders; `damage` says why there may be more, '' if there are not."""

    entries: tuple[Entry, ...]
    damage: str = ""


class OpenReader(Protocol):
    """An archive of one kind, open; bad bytes raise CorruptInput."""

    def chunks(self, entry: Entry, size_bytes: int) -> Generator[bytes, None, None]:
        """The content of one file, so much at a time."""
        ...

    def close(self) -> None: ...


class ArchiveKind(Protocol):
    """How archives of one kind are listed and opened."""

    def listing(self, path: Path) -> Listing:
        """Raises CorruptInput where not even its files can be listed."""
        ...

    def reader(self, path: Path) -> OpenReader: ...


def judged(listing: Listing, budget: Budget) -> tuple[Entry, ...]:
    """The files in the order of their names, those refused that must not be unpacked (row D22).

    Raises:
        CorruptInput: more files than an archive may hold (`too_large_inside`).
    """
    budget.take_members(len(listing.entries))
    ordered = sorted(listing.entries, key=lambda entry: (entry.name, entry.number))
    return tuple(_judged(entry, budget) for entry in ordered)


def _judged(entry: Entry, budget: Budget) -> Entry:
    if is_unsafe(entry.name):
        return entry.refused(UNSAFE_NAME, "its name leads out of the archive, or is none")
    if entry.problem:
        return entry
    if told := budget.excess(entry.size_bytes, entry.packed_bytes):
        return entry.refused(TOO_LARGE, told)
    return entry


def companions_of(entries: tuple[Entry, ...]) -> dict[int, tuple[Entry, ...]]:
    """By the number of each DBF table, the files beside it that it is read with."""
    tables = {
        _stem(entry): entry.number
        for entry in entries
        if entry.name.lower().endswith(".dbf") and not entry.problem
    }
    found: dict[int, tuple[Entry, ...]] = {}
    for entry in entries:
        table = tables.get(_stem(entry))
        if table is not None and not entry.problem and _is_memo(entry):
            found[table] = (*found.get(table, ()), entry)
    return found


def _is_memo(entry: Entry) -> bool:
    return entry.name.lower().endswith(_MEMO_SUFFIXES)


def _stem(entry: Entry) -> str:
    return entry.name.rpartition(".")[0].casefold()
