"""A group's landing place, ledger and store for tests, all of them real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.ledger import Item, Ledger, Observation, State
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.store_evidence import StoredBatch, store_batch
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageMetadata
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.fakes import FakeClock

MAX_SIZE_BYTES = 2 << 20


class CountingStore(LocalStore):
    """The local store; notes which files were sent and which folders listed, fails when told."""

    def __init__(self, group_id: str, root: Path, *, clock: FakeClock) -> None:
        super().__init__(group_id, root, clock=clock)
        self.sent: list[str] = []
        self.confirmations = 0
        self.failing: dict[str, Exception] = {}
        self.before_send: Callable[[EvidenceFile], None] = lambda _: None

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        self.before_send(file)
        if file.file_name in self.failing:
            raise self.failing[file.file_name]
        self.sent.append(file.file_name)
        return super().write_from(file)

    def confirm(self, written):  # type: ignore[no-untyped-def]
        self.confirmations += 1
        return super().confirm(written)


@dataclass
class LandingPlace:
    """One group's. Files are dropped with an old modification time: complete at once."""

    home: Path
    clock: FakeClock
    group: GroupId
    database_url: str
    drops: int = 0
    store: CountingStore = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(open_sessions(engine_of(self.database_url)), self.clock)
        self.store = CountingStore(
            self.group, self.home / "evidence_store" / self.group, clock=self.clock
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Another process opens the ledger and the store anew."""
        return LandingPlace, (self.home, self.clock, self.group, self.database_url, self.drops)

    @property
    def root(self) -> Path:
        return self.home / "landing" / self.group

    @property
    def today(self) -> date:
        return utc_day(self.clock.now())

    def drop(self, path: str, content: str | bytes, *, age_s: float = 3600) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        # Two drops within the clock's one moment still differ, as they do on a real disk.
        self.drops += 1
        self.age(path, age_s + self.drops / 1000)
        return target

    def age(self, path: str, age_s: float) -> None:
        moment = self.clock.now().timestamp() - age_s
        os.utime(self.root / path, (moment, moment))

    def look(self) -> Observation:
        return sweep_all(self.group, self.root, ledger=self.ledger, clock=self.clock)

    def store_day(self, *, day: date | None = None, **changes: object) -> StoredBatch | None:
        arguments: dict[str, object] = {
            "ledger": self.ledger,
            "store": self.store,
            "landing_root": self.root,
            "clock": self.clock,
            "max_size_bytes": MAX_SIZE_BYTES,
            "workers": 2,
            "holder": this_process(),
        }
        return store_batch(self.group, day or self.today, **{**arguments, **changes})  # type: ignore[arg-type]

    def take_in(self) -> StoredBatch | None:
        """Look, then store what is due today."""
        self.look()
        return self.store_day()

    def items(self) -> list[Item]:
        """All items of today's batches and of the first day's."""
        return self.all_items({self.today, date(2026, 11, 20)})

    def all_items(self, days: Iterable[date]) -> list[Item]:
        """All items of these days' batches."""
        return [
            item
            for day in sorted(days)
            for batch in self.ledger.stored_batches(self.group, day)
            for item in self.ledger.items(self.group, batch.batch_id)
        ]

    def item(self, name: str, *, state: State | None = None) -> Item:
        found = [
            item
            for item in self.items()
            if item.file_name == name and (state is None or item.state is state)
        ]
        assert len(found) == 1, found
        return found[0]

    def wipe(self) -> None:
        shutil.rmtree(self.root)
        self.root.mkdir()
