"""Bronze rows of a batch while another run changes what the batch holds (design AD3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.publish_bronze import PublishedBronze, publish_bronze
from kmflow_orchestration.operations.reconcile_bronze import reconcile_bronze
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.conftest import CONFIG
from kmflow_orchestration_tests.operations.datasets.dataset_world import WatchedLakehouse


def published(place: LandingPlace, lakehouse: Any) -> PublishedBronze:
    return publish_bronze(
        place.group,
        place.today,
        ledger=place.ledger,
        register=EvidenceRegister(open_sessions(engine_of(place.database_url)), place.clock),
        stores=EvidenceStores.only(place.store),
        lakehouse=lakehouse,
        config=CONFIG,
    )


def once(act: Callable[[], object]) -> Callable[[], None]:
    waiting = [act]

    def do() -> None:
        while waiting:
            waiting.pop()()

    return do


def test_a_duplicate_that_moves_while_its_batch_is_written_has_one_row(
    acme: LandingPlace, lakehouse: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "same")
    acme.drop("e1/b.csv", "same")
    acme.take_in()
    first_day = acme.today

    def promote() -> None:
        acme.clock.advance(86_400)
        acme.drop("e1/a.csv", "new")
        acme.take_in()
        published(acme, lakehouse)
        acme.clock.advance(-86_400)

    published(acme, WatchedLakehouse(lakehouse, "replace", before=once(promote)))

    for day in (first_day, first_day + timedelta(days=1)):
        found = reconcile_bronze(
            acme.group, day, ledger=acme.ledger, lakehouse=lakehouse, config=CONFIG
        )
        assert found.agrees, found
