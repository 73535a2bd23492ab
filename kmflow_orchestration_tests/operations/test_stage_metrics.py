"""Each stage of a batch leaves one row: when it ends, fails, or is done again (row B37)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from kmflow_orchestration.errors import StateConflict, StatementFailed
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Step
from kmflow_orchestration.intake.stage_log import StageLog
from kmflow_orchestration.intake.stage_sums import summed_up
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.stage_metrics import StageMetric
from kmflow_orchestration.operations.provision import table_name
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.tables.medallion import SILVER_QUALITY_EVENTS
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.conftest import CONFIG
from kmflow_orchestration_tests.operations.datasets.dataset_world import WatchedLakehouse


def bronze(place: LandingPlace, lakehouse: Any) -> None:
    publish_bronze(
        place.group,
        place.today,
        ledger=place.ledger,
        register=EvidenceRegister(open_sessions(engine_of(place.database_url)), place.clock),
        stores=EvidenceStores.only(place.store),
        lakehouse=lakehouse,
        config=CONFIG,
    )


def stages(place: LandingPlace) -> dict[tuple[int, Step], StageMetric]:
    """By the batch's number and the stage: no two rows of one stage of a batch."""
    numbers = {
        batch.batch_id: batch.number
        for batch in place.ledger.stored_batches(place.group, place.today)
    }
    rows = place.ledger.stages.all(place.group)
    found = {(numbers[row.batch_id], row.stage): row for row in rows}
    assert len(found) == len(rows)
    return found


def counts(metric: StageMetric) -> tuple[int, int, int, str]:
    return metric.input_count, metric.output_count, metric.error_count, metric.error_type


def test_a_stage_says_what_came_in_what_came_out_and_what_failed(
    acme: LandingPlace, lakehouse: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.drop("e2/a.csv", "a")
    acme.drop("e2/empty.csv", "")
    acme.drop("e2/program.csv", b"\x7fELF" + bytes(50))
    acme.drop("e2/other.csv", b"\x7fELF" + bytes(60))
    acme.take_in()
    bronze(acme, lakehouse)

    found = stages(acme)

    assert {key: counts(metric) for key, metric in found.items()} == {
        (1, Step.STORED): (5, 2, 3, "type_not_allowed"),
        (1, Step.BRONZE): (2, 2, 0, ""),
    }
    assert {metric.engagement_id for metric in found.values()} == {""}
    assert {metric.started_at for metric in found.values()} == {acme.clock.now()}


def test_a_batch_of_one_item_is_of_that_item(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.take_in()
    (metric,) = stages(acme).values()
    assert metric.evidence_item_id == acme.item("a.csv").item_id
    assert (metric.engagement_id, metric.day) == ("e1", acme.today)


def test_time_passes_by_the_clock_at_hand(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.store.before_send = lambda _: acme.clock.advance(1.5)
    acme.take_in()
    (metric,) = stages(acme).values()
    assert metric.duration_ms == 1500


def test_a_failing_stage_leaves_its_row_and_the_next_run_replaces_it(
    acme: LandingPlace, lakehouse: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.take_in()

    def refuse() -> None:
        raise StatementFailed("no such table")

    with pytest.raises(StatementFailed):
        bronze(acme, WatchedLakehouse(lakehouse, "replace", before=refuse))
    failed = stages(acme)[1, Step.BRONZE]
    bronze(acme, lakehouse)

    assert counts(failed) == (1, 0, 1, StatementFailed.code)
    assert counts(stages(acme)[1, Step.BRONZE]) == (1, 1, 0, "")


def test_a_second_run_leaves_the_same_rows(acme: LandingPlace, lakehouse: LocalLakehouse) -> None:
    events = table_name(CONFIG.namespace, SILVER_QUALITY_EVENTS)
    lakehouse.ensure_table(events, SILVER_QUALITY_EVENTS)
    acme.drop("e1/a.csv", "a")
    acme.drop("e1/b.csv", "a")
    acme.take_in()
    told = []
    for _ in range(2):
        bronze(acme, lakehouse)
        publish_quality(
            acme.group, acme.today, ledger=acme.ledger, lakehouse=lakehouse, config=CONFIG
        )
        told.append({key: counts(metric) for key, metric in stages(acme).items()})
        assert acme.take_in() is None

    assert told[0] == told[1]
    assert told[0][1, Step.QUALITY] == (1, 1, 0, "")


def test_a_store_that_is_away_is_the_stages_error(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.drop("e1/b.csv", "b")
    acme.store.failing["a.csv"] = StatementFailed("away")
    acme.take_in()
    assert counts(stages(acme)[1, Step.STORED]) == (2, 1, 1, StatementFailed.code)


def test_a_run_that_goes_on_for_one_that_died_tells_of_the_whole_batch(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "a")
    acme.drop("e1/empty.csv", "")
    acme.drop("e2/b.csv", "b")
    acme.look()

    def die_at_the_last(file: EvidenceFile) -> None:
        if file.engagement_id == "e2":
            raise SystemExit

    acme.store.before_send = die_at_the_last
    with pytest.raises(SystemExit):
        acme.store_day(workers=1)
    assert acme.ledger.stages.all(acme.group) == []
    acme.store.before_send = lambda _: None
    acme.take_in()

    (metric,) = stages(acme).values()
    assert counts(metric) == (3, 2, 1, "empty")
    assert (metric.engagement_id, metric.evidence_item_id) == ("", "")


def test_a_batch_that_another_run_took_over_is_not_ours_to_tell_of(acme: LandingPlace) -> None:
    with (
        pytest.raises(StateConflict),
        acme.ledger.stages.measured(acme.group, "b", day=acme.today, stage=Step.STORED),
    ):
        raise StateConflict("taken over")
    assert acme.ledger.stages.all(acme.group) == []


@pytest.mark.sqlite
def test_what_failed_is_raised_though_its_row_cannot_be_written(
    tmp_path: Path, acme: LandingPlace
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    log = StageLog(open_sessions(engine), FakeClock())
    with (
        pytest.raises(ZeroDivisionError) as raised,
        log.measured(acme.group, "b", day=acme.today, stage=Step.BRONZE),
    ):
        1 / 0  # noqa: B018
    engine.dispose()
    assert "could not be written" in raised.value.__notes__[0]


def test_a_summary_has_the_stages_in_order_with_their_sums(
    acme: LandingPlace, lakehouse: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.take_in()
    acme.drop("e1/b.csv", "b")
    acme.drop("e1/empty.csv", "")
    acme.take_in()
    bronze(acme, lakehouse)

    found = summed_up(acme.ledger.stages.all(acme.group, day=acme.today))

    assert [one.stage for one in found] == [Step.STORED, Step.BRONZE]
    stored = found[0]
    assert (stored.batches, stored.input_count, stored.output_count) == (2, 3, 2)
    assert (stored.error_count, stored.error_types) == (1, {"empty": 1})


def test_a_group_sees_its_own_stages(new_place: Any) -> None:
    places = [new_place(group) for group in ("acme", "globex")]
    for place in places:
        place.drop("e1/a.csv", "same")
        place.take_in()
    rows = [place.ledger.stages.all(place.group) for place in places]
    assert [len(found) for found in rows] == [1, 1]
    assert rows[0][0].batch_id != rows[1][0].batch_id
