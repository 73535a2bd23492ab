"""A group from landing to its dataset tables, all parts of it real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import openpyxl

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import EngagementId, TableName
from kmflow_orchestration.operations.dataset_writing import WrittenTable
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.published_datasets import PublishedDatasets
from kmflow_orchestration.operations.silver_fragments import PublishedFragments, publish_fragments
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
from kmflow_orchestration.tables.medallion import BRONZE_INGESTION_LOG
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

Sheets = dict[str, list[list[object]]]


@dataclass
class DatasetWorld:
    """One engagement of a group; its tables lie in a lakehouse other tests use as well."""

    place: LandingPlace
    lakehouse: Lakehouse
    config: GroupConfig
    engagement: str

    def __post_init__(self) -> None:
        self.heard: list[tuple[str, tuple[str, ...]]] = []
        sessions = open_sessions(engine_of(self.place.database_url))
        self.registry = DatasetTables(sessions)
        self.corrections = CorrectionStore(sessions, self.place.clock)

    def drop(self, name: str, content: str | bytes) -> None:
        self.place.drop(f"{self.engagement}/{name}", content)

    def drop_workbook(self, name: str, sheets: Sheets) -> None:
        path = self.place.home / "workbook.xlsx"
        write_workbook(path, sheets)
        self.drop(name, path.read_bytes())

    def arrive(self, **files: str) -> PublishedDatasets:
        """Drop CSV files, take them in as one batch, publish it."""
        for name, content in files.items():
            self.drop(f"{name}.csv", content)
        return self.take_in()

    def take_in(self, **changes: Any) -> PublishedDatasets:
        self.place.look()
        self.place.store_day(max_size_bytes=1 << 20)
        return self.publish(**changes)

    def publish(self, **changes: Any) -> PublishedDatasets:
        arguments: dict[str, Any] = {
            "ledger": self.place.ledger,
            "stores": EvidenceStores.only(self.place.store),
            "lakehouse": self.lakehouse,
            "registry": self.registry,
            "corrections": self.corrections,
            "config": self.config,
            "workers": 0,
            "work_dir": self.place.home / "work",
            "on_written": self.hear,
        }
        return publish_datasets(self.place.group, self.today, **{**arguments, **changes})

    def hear(self, batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
        prefix = f"{self.engagement}__"
        self.heard.append((batch_id, tuple(one.name.removeprefix(prefix) for one in tables)))

    def publish_fragments(self, lakehouse: Lakehouse | None = None) -> PublishedFragments:
        return publish_fragments(
            self.place.group,
            self.today,
            ledger=self.place.ledger,
            stores=EvidenceStores.only(self.place.store),
            lakehouse=lakehouse or self.lakehouse,
            config=self.config,
            corrections=self.corrections,
        )

    def logged(self) -> dict[str, tuple[str, str | None]]:
        """Status and error of each item of the engagement in the ingestion log."""
        table = self.config.namespace.bronze(BRONZE_INGESTION_LOG.name)
        rows = self.lakehouse.query(
            f"SELECT * FROM {table.sql} WHERE engagement_id = :engagement",
            {"engagement": self.engagement},
        )
        return {
            row["evidence_item_id"]: (row["status"], row["error_message"])
            for row in rows.to_pylist()
        }

    @contextmanager
    def next_day(self) -> Iterator[Path]:
        """Another run, on the day after; gives it a work folder of its own."""
        self.place.clock.advance(86_400)
        yield self.place.home / "work of the next day"
        self.place.clock.advance(-86_400)

    @property
    def today(self) -> date:
        return self.place.today

    @property
    def tables(self) -> list[str]:
        """Dataset names, without the engagement in front."""
        names = self.registry.tables(self.place.group, EngagementId(self.engagement))
        return [name.removeprefix(f"{self.engagement}__") for name in names]

    def table(self, dataset: str) -> TableName:
        return self.config.namespace.bronze(f"{self.engagement}__{dataset}")

    def types(self, dataset: str) -> dict[str, str]:
        """Types of the data columns."""
        columns = self.lakehouse.columns(self.table(dataset)) or ()
        return {
            column.name: column.type.upper()
            for column in columns
            if not column.name.startswith("_") and not column.name.endswith("_id")
        }

    def rows(self, dataset: str, *names: str) -> list[tuple[object, ...]]:
        """Values of some columns, sorted by their texts."""
        table = self.lakehouse.query(f"SELECT * FROM {self.table(dataset).sql}")
        columns = [table.column(name).to_pylist() for name in names]
        return sorted(zip(*columns, strict=True), key=str)


class WatchedLakehouse:
    """A lakehouse with something happening before or after one kind of write."""

    def __init__(
        self,
        real: Lakehouse,
        statement: str,
        *,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._real = real
        self._statement = statement
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        return self._around(real) if name == self._statement else real

    def _around(self, write: Callable[..., int]) -> Callable[..., int]:
        def watched(*args: object, **kwargs: object) -> int:
            self._before()
            rows = write(*args, **kwargs)
            self._after()
            return rows

        return watched


class WatchedStore:
    """A store with something happening once, before the first stored file is read."""

    def __init__(self, real: StorageBackend, before: Callable[[], None]) -> None:
        self._real = real
        self._waiting = [before]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def open_read(self, path: str) -> AbstractContextManager[BinaryIO]:
        while self._waiting:
            self._waiting.pop()()
        return self._real.open_read(path)


def write_workbook(path: Path, sheets: Sheets) -> None:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    book.close()
