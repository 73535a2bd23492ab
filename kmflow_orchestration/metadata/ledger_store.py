"""One transaction on a group's ledger: whoever changes it holds the group's lock from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.config_audit import AuditRecords
from kmflow_orchestration.metadata.conversions_again import ConversionsAgain
from kmflow_orchestration.metadata.dataset_corrections import DatasetCorrections
from kmflow_orchestration.metadata.engagements import Engagements
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.evidence_items import EvidenceItems
from kmflow_orchestration.metadata.evidence_places import EvidencePlaces
from kmflow_orchestration.metadata.evidence_requests import EvidenceRequests
from kmflow_orchestration.metadata.fragment_counts import FragmentCounts
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.intake_batches import IntakeBatches
from kmflow_orchestration.metadata.item_deletions import ItemDeletions
from kmflow_orchestration.metadata.landing_files import LandingFiles
from kmflow_orchestration.metadata.landing_history import LandingHistory
from kmflow_orchestration.metadata.mirror_files import MirrorFiles
from kmflow_orchestration.metadata.quarantine_acceptances import QuarantineAcceptances
from kmflow_orchestration.metadata.quarantine_entries import QuarantineEntries
from kmflow_orchestration.metadata.stage_metrics import StageMetrics
from kmflow_orchestration.names import GroupId

# A write first: SQLite then never has to upgrade a read lock, which fails at once when another
# writer came between; PostgreSQL locks the row until the transaction ends.
_LOCK = text(
    "INSERT INTO intake_groups (group_id, changes) VALUES (:group_id, 1)"
    " ON CONFLICT (group_id) DO UPDATE SET changes = intake_groups.changes + 1"
)


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """The ledger's repositories inside one transaction."""

    files: LandingFiles
    history: LandingHistory
    items: EvidenceItems
    fragments: FragmentCounts
    deletions: ItemDeletions
    batches: IntakeBatches
    engagements: Engagements
    requests: EvidenceRequests
    stages: StageMetrics
    audit: AuditRecords
    places: EvidencePlaces
    mirrors: MirrorFiles
    corrections: DatasetCorrections
    again: ConversionsAgain
    held_back: QuarantineEntries
    acceptances: QuarantineAcceptances


@contextmanager
def reading(sessions: SessionFactory) -> Iterator[LedgerTables]:
    """A transaction that changes nothing."""
    with guarded(sessions) as session:
        yield _tables(session)


@contextmanager
def changing(sessions: SessionFactory, group: GroupId) -> Iterator[LedgerTables]:
    """A transaction in which nobody else changes this group's ledger.

    Compare-and-set needs no more: what was read inside it still holds when it writes.
    """
    with guarded(sessions) as session:
        session.execute(_LOCK, {"group_id": group})
        yield _tables(session)


def _tables(session: Session) -> LedgerTables:
    return LedgerTables(
        LandingFiles(session),
        LandingHistory(session),
        EvidenceItems(session),
        FragmentCounts(session),
        ItemDeletions(session),
        IntakeBatches(session),
        Engagements(session),
        EvidenceRequests(session),
        StageMetrics(session),
        AuditRecords(session),
        EvidencePlaces(session),
        MirrorFiles(session),
        DatasetCorrections(session),
        ConversionsAgain(session),
        QuarantineEntries(session),
        QuarantineAcceptances(session),
    )
