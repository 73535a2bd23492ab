"""Comparison of a day's ledger with what bronze and the metadata table really hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib import resources

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.metadata.intake_records import GONE
from kmflow_orchestration.names import GroupId, literal
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables import medallion


@dataclass(frozen=True, slots=True)
class BronzeReconciliation:
    """Counts of one day, ledger on one side, tables on the other.

    Of `ledger_items`, `deleted_items` have a bronze row and no metadata row.
    """

    ledger_items: int
    deleted_items: int
    bronze_rows: int
    bronze_items: int
    metadata_rows: int
    metadata_items: int
    foreign_rows: int
    differing_rows: int

    @property
    def agrees(self) -> bool:
        kept = self.ledger_items - self.deleted_items
        bronze = {self.bronze_rows, self.bronze_items} == {self.ledger_items}
        metadata = {self.metadata_rows, self.metadata_items} == {kept}
        return bronze and metadata and self.foreign_rows == 0 and self.differing_rows == 0


def reconcile_bronze(
    group: GroupId, day: date, *, ledger: Ledger, lakehouse: Lakehouse, config: GroupConfig
) -> BronzeReconciliation:
    """Compare a day. Raises RemoteFault if the tables cannot be asked: that is no agreement."""
    batches = [batch.batch_id for batch in ledger.stored_batches(group, day)]
    expected = ledger.count_items(group, batches)
    deleted = ledger.count_items(group, batches, GONE)
    found = lakehouse.query(reconciliation_sql(config, batches), {"group_id": group}).to_pylist()[0]
    return BronzeReconciliation(ledger_items=expected, deleted_items=deleted, **found)


def reconciliation_sql(config: GroupConfig, batches: list[str]) -> str:
    """The query behind the comparison."""
    text = resources.files("kmflow_orchestration.operations.sql").joinpath(
        "evidence_against_bronze.sql"
    )
    return text.read_text(encoding="utf-8").format(
        bronze=config.namespace.bronze(medallion.BRONZE_EVIDENCE_RAW.name).sql,
        metadata=config.namespace.base(medallion.EVIDENCE_METADATA.name).sql,
        batches=", ".join(literal(batch) for batch in batches) or "NULL",
    )
