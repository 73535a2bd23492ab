"""A batch in lots, one per engagement, so that reading, storing and recording overlap.

Nothing about one engagement's files depends on another's: neither what they turn out to be nor the
folder they are stored in. So while the uploads of one lot are under way, the next is read and the
one before is confirmed and recorded, and the connections never wait for the ledger. A lot is read
in portions, so that neither do they wait for the first lot to be read to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.claimed_batch import ReadFile
from kmflow_orchestration.metadata.intake_records import LandingFile
from kmflow_orchestration.storage.interfaces import StorageBackend, StorageMetadata


@dataclass(slots=True)
class Lot:
    """The files of one engagement on their way. Mutable: it collects what becomes of them.

    `wanted` are those whose bytes have to be stored, `confirmed` the ids of items whose bytes are
    there, `refused` what did not get through, each with its reason. `is_read` once `read` and
    `wanted` are complete.
    """

    files: Sequence[LandingFile]
    read: list[ReadFile] = field(default_factory=list)
    is_read: bool = False
    wanted: list[ReadFile] = field(default_factory=list)
    confirmed: set[str] = field(default_factory=set)
    refused: list[tuple[LandingFile, Exception]] = field(default_factory=list)
    _written: list[StorageMetadata] = field(default_factory=list)
    _attempts: int = 0

    def want(self, files: Sequence[ReadFile]) -> list[ReadFile]:
        """Files to be sent next, less those whose bytes are known to be there; which they are."""
        wanted = [file for file in files if file.arrival.item_id not in self.confirmed]
        self.wanted += wanted
        return wanted

    def want_again(self, files: Sequence[ReadFile]) -> None:
        """Another round, of these files alone."""
        self.wanted, self._written, self._attempts = [], [], 0
        self.want(files)

    def take(self, file: ReadFile, outcome: StorageMetadata | Exception) -> None:
        """What became of one wanted file."""
        self._attempts += 1
        if isinstance(outcome, Exception):
            self.refused.append((file.file, outcome))
        else:
            self._written.append(outcome)

    @property
    def is_sent(self) -> bool:
        """Whether every wanted file was tried, and there will be no others."""
        return self.is_read and self._attempts == len(self.wanted)

    def confirm(self, store: StorageBackend) -> None:
        """Ask the store for what was written; what is not there was not stored after all."""
        out = {file.path for file, _ in self.refused}
        self.find(self._written, self.wanted, store)
        self.refused += [
            (file.file, StorageUnavailable("stored, but not there afterwards"))
            for file in self.wanted
            if file.file.path not in out and file.arrival.item_id not in self.confirmed
        ]

    def find(
        self,
        expected: Sequence[StorageMetadata],
        files: Sequence[ReadFile],
        store: StorageBackend,
    ) -> None:
        """Note which of these files are there as expected, by one listing."""
        there = store.confirm(expected) if expected else frozenset()
        self.confirmed |= {
            file.arrival.item_id for file in files if file.arrival.stored_path in there
        }

    def take_refused(self) -> list[tuple[LandingFile, Exception]]:
        """What was refused since the last call."""
        refused, self.refused = self.refused, []
        return refused


def lots_of(files: Sequence[LandingFile]) -> list[Lot]:
    """Files by engagement, each in the order of arrival, engagements by their first file."""
    by_engagement: dict[str, list[LandingFile]] = {}
    for file in files:
        by_engagement.setdefault(file.engagement_id, []).append(file)
    return [Lot(some) for some in by_engagement.values()]


def wanted_files(
    lots: Sequence[Lot], read: Callable[[Lot], Iterator[Sequence[ReadFile]]]
) -> Generator[tuple[Lot, ReadFile], None, None]:
    """Every file to be stored, lot by lot; a portion is read while the one before is given out.

    `read` gives a lot's files to be stored in portions. What it raises is raised here.
    """
    portions = ((lot, portion) for lot in lots for portion in read(lot))
    with ThreadPoolExecutor(1, thread_name_prefix="reading") as reader:
        coming = reader.submit(next, portions, None)
        while (portion := coming.result()) is not None:
            coming = reader.submit(next, portions, None)
            lot, files = portion
            yield from ((lot, file) for file in files)
