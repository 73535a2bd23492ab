"""What a day's files lead to: each operation called as its asset calls it, and watched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.operations.changed_tables import note_changed_tables
from kmflow_orchestration.operations.dataset_writing import WrittenTable
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.publish_gold import publish_score_history
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.operations.silver_fragments import publish_fragments
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.operations.kills.watching import UNWATCHED, Watch

Rows = list[dict[str, Any]]
STEPS = ("bronze", "datasets", "fragments", "quality", "gold")


@dataclass(frozen=True, slots=True)
class DayOfWork:
    """One group on one day."""

    context: Context
    group: GroupContext

    def take_in(self, watch: Watch = UNWATCHED) -> None:
        """Look at landing and store whatever is due, batch by batch."""
        seeing = watch.over({"ledger": self.context.ledger})
        sweep_all(self.group.id, self.group.landing_root, **seeing, clock=self.context.clock)
        storing = watch.over({**self.group.storing(), "workers": 2})
        while store_batch(self.group.id, self.today, **storing):
            pass

    def bronze(self, watch: Watch = UNWATCHED) -> None:
        publish_bronze(self.group.id, self.today, **watch.over(self.group.recording()))

    def datasets(self, watch: Watch = UNWATCHED) -> None:
        publish_datasets(self.group.id, self.today, **self._converting(watch))

    def fragments(self, watch: Watch = UNWATCHED) -> None:
        publish_fragments(self.group.id, self.today, **watch.over(self.group.reading_text()))

    def quality(self, watch: Watch = UNWATCHED) -> None:
        publish_quality(self.group.id, self.today, **watch.over(self.group.publishing()))

    def gold(self, watch: Watch = UNWATCHED) -> None:
        given = watch.over(self.group.publishing())
        publish_score_history(self.group.id, lakehouse=given["lakehouse"], config=given["config"])

    def publish(self, watch: Watch = UNWATCHED) -> None:
        """Everything that follows storing."""
        for step in STEPS:
            getattr(self, step)(watch)

    def work(self, watch: Watch = UNWATCHED) -> None:
        """All of it."""
        self.take_in(watch)
        self.publish(watch)

    @property
    def today(self) -> date:
        return utc_day(self.context.clock.now())

    def _converting(self, watch: Watch) -> dict[str, Any]:
        noting = watch.over({"table_groups": self.context.table_groups})

        def note(batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
            at, cron = self.context.clock.now(), self.context.settings.profile_cron
            note_changed_tables(self.group.id, batch_id, tables, **noting, at=at, cron=cron)

        # No processes of its own to convert in: they are for files that kill theirs.
        return watch.over({**self.group.converting(), "workers": 0, "on_written": note})

    def tables(self) -> dict[str, Rows]:
        """Rows of every table but the profile results."""
        lakehouse, config = self.group.lakehouse, self.group.config
        return {
            table.text: lakehouse.query(f"SELECT * FROM {table.sql}").to_pylist()
            for schema in config.namespace.schemas
            if not schema.endswith("_dq")
            for table in lakehouse.tables(schema)
        }
