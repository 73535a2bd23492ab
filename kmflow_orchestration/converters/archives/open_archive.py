"""An open archive, whose files come to lie on disk one at a time, under names of our own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

from kmflow_orchestration.converters.archives.entries import (
    ArchiveKind,
    Entry,
    OpenReader,
    companions_of,
    judged,
)
from kmflow_orchestration.converters.archives.limits import Budget
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.locked_documents import Lock, lock_of, unlock
from kmflow_orchestration.converters.packed_source import is_packed, unpacked_chunks
from kmflow_orchestration.errors import CorruptInput

_CHUNK_BYTES = 1 << 20
_MARK_BYTES = 16
_PLAIN = "plain"


class OpenArchive:
    """The files of one archive.

    A file stays until another one is asked for, so that one after the other can be read without
    unpacking twice; nobody's file goes while it is in use. A nested archive gives its own file
    back when another one's turn comes, and opens itself again when it is asked.
    """

    def __init__(
        self,
        kind: ArchiveKind,
        source: Path | tuple[OpenArchive, Entry],
        folder: Path,
        budget: Budget,
        password: str = "",
    ) -> None:
        """List the archive: a file, or one of another archive; `folder` is to be its own.

        Locked documents in it come to lie unlocked by `password`.

        Raises:
            CorruptInput: it cannot be listed, or holds too many files.
        """
        folder.mkdir(mode=0o700)
        self._kind, self._source, self._folder = kind, source, folder
        self._password = password
        self._reader: OpenReader | None = None
        self._held = ExitStack()
        self._uses: dict[int, int] = {}
        self._nested: list[OpenArchive] = []
        self._hashes: dict[int, str] = {}
        self._damage = ""
        try:
            with self._own_file() as path:
                plain = self._as_plain(path, max(budget.bytes_left, 1))
                listing = kind.listing(plain)
            self.entries = judged(listing, budget)
        except BaseException:
            # One bomb after the other must not fill the disk.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.damage = self._damage or listing.damage
        self._companions = companions_of(self.entries)
        # Numbers of the files that are read with others, and not on their own.
        together = self._companions.values()
        self.companions = frozenset(one.number for found in together for one in found)

    def nested(self, kind: ArchiveKind, entry: Entry, budget: Budget) -> OpenArchive:
        """An archive that is a file of this one. Raises as the constructor does."""
        folder = self._folder / f"{entry.number}-inside"
        found = OpenArchive(kind, (self, entry), folder, budget, self._password)
        self.keeps_account_of(found)
        return found

    def sha256_of(self, entry: Entry) -> str:
        """Hash of a file; '' for one that was never on disk."""
        return self._hashes.get(entry.number, "")

    @contextmanager
    def on_disk(self, entry: Entry) -> Iterator[Path]:
        """A file, always at the same place, within a block.

        Raises:
            CorruptInput: it is damaged, or longer than the archive says.
            OSError: no room for it.
        """
        path = self._folder / str(entry.number)
        if not path.exists():
            self._let_go()
            for companion in self._companions.get(entry.number, ()):
                suffix = Path(companion.file_name).suffix.lower()
                self._unpack(companion, path.with_name(f"{path.name}{suffix}"))
            self._unpack(entry, path)
        self._uses[entry.number] = self._uses.get(entry.number, 0) + 1
        try:
            yield path
        finally:
            self._uses[entry.number] -= 1

    @property
    def is_used(self) -> bool:
        """Whether somebody reads a file of it, or of one nested in it, now."""
        idle = {one.own_number for one in self._nested if not one.is_used}
        return any(count for number, count in self._uses.items() if number not in idle)

    @property
    def own_number(self) -> int:
        """Its number in the archive that it is nested in, -1 for a file of its own."""
        return self._source[1].number if isinstance(self._source, tuple) else -1

    def close(self) -> None:
        """Give back what is not in use, on disk and of the archive it lies in."""
        self._let_go()
        self._reader = None
        self._held.close()
        if isinstance(self._source, tuple):
            (self._folder / _PLAIN).unlink(missing_ok=True)

    def _let_go(self) -> None:
        for one in [one for one in self._nested if not one.is_used]:
            one.close()
            self._nested.remove(one)
        used = {str(number) for number, count in self._uses.items() if count}
        for path in self._folder.iterdir():
            if path.is_file() and path.stem not in used and path.name != _PLAIN:
                path.unlink()

    def _unpack(self, entry: Entry, path: Path) -> None:
        digest = hashlib.sha256()
        chunks = self._opened().chunks(entry, _CHUNK_BYTES)
        try:
            with path.open("wb") as target, closing(chunks):
                for chunk in _of_told_size(chunks, entry.size_bytes):
                    digest.update(chunk)
                    target.write(chunk)
            if self._password:
                _unlock_in_place(path, self._password)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._hashes[entry.number] = digest.hexdigest()

    def _opened(self) -> OpenReader:
        if self._reader is None:
            path = self._held.enter_context(self._own_file())
            self._reader = self._kind.reader(self._as_plain(path))
            self._held.callback(self._reader.close)
            if isinstance(self._source, tuple):
                self._source[0].keeps_account_of(self)
        return self._reader

    def keeps_account_of(self, nested: OpenArchive) -> None:
        """Remember to close a nested archive when another file's turn comes."""
        if nested not in self._nested:
            self._nested.append(nested)

    def _own_file(self) -> AbstractContextManager[Path]:
        if isinstance(self._source, Path):
            return nullcontext(self._source)
        outer, entry = self._source
        return outer.on_disk(entry)

    def _as_plain(self, path: Path, most_bytes: int = 0) -> Path:
        """What was compressed as a whole is unpacked as a whole, as far as it is sound."""
        with path.open("rb") as stream:
            head = stream.read(_MARK_BYTES)
        if not is_packed(head):
            return path
        plain = self._folder / _PLAIN
        if plain.exists():
            return plain
        with plain.open("wb") as target:
            try:
                for chunk in unpacked_chunks(path, head, most_bytes):
                    target.write(chunk)
            except CorruptInput as error:
                if error.reason == TOO_LARGE or not target.tell():
                    raise
                self._damage = error.message
        return plain


def _unlock_in_place(path: Path, password: str) -> None:
    """A locked document as it is without its password. Raises CorruptInput if it is another one."""
    lock = lock_of(path)
    if lock is Lock.NONE:
        return
    plain = path.with_name(f"{path.name}.{_PLAIN}")
    try:
        unlock(path, lock, password, plain)
        plain.replace(path)
    finally:
        plain.unlink(missing_ok=True)


def _of_told_size(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """Raises CorruptInput when more or less comes than the archive says."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > size_bytes:
            text = f"it is longer than the {size_bytes} bytes it was said to be"
            raise CorruptInput(text, reason=TOO_LARGE)
        yield chunk
    if size < size_bytes:
        raise CorruptInput(f"it ends after {size} of {size_bytes} bytes")
