"""Bronze rows of a batch while another run changes what the batch holds (design AD3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import table_name
from kmflow_orchestration.operations.publish_bronze import PublishedBronze, publish_bronze
from kmflow_orchestration.operations.reconcile_bronze import reconcile_bronze
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.tables.medallion import BRONZE_EVIDENCE_RAW, EVIDENCE_METADATA
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.datasets.dataset_world import WatchedLakehouse

CONFIG = GroupConfig(group_id=GroupId("acme"), version=1, catalog="kmflow", schema="acme")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[LocalLakehouse]:
    own = OwnTables(CONFIG.group_id, CONFIG.namespace)
    with closing(LocalLakehouse(own, tmp_path / "lakehouse", clock=SystemClock())) as made:
        for definition in (EVIDENCE_METADATA, BRONZE_EVIDENCE_RAW):
            made.ensure_table(table_name(CONFIG.namespace, definition), definition)
        yield made


def published(place: LandingPlace, lakehouse: Any) -> PublishedBronze:
    return publish_bronze(
        place.group, place.today, ledger=place.ledger, lakehouse=lakehouse, config=CONFIG
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
