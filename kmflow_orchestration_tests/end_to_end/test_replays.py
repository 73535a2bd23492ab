"""Second drops, returns, promotions and back-fills leave exactly the live rows (AD3, AD5)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration_tests.end_to_end.world import today_key

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("end_to_end_replays")]

DAY = [*keys.INTAKE, *keys.SILVER]
FIRST = b"id,amount\n1,10\n2,20\n"
SECOND = b"id,amount\n3,30\n"
CHANGED = b"id,amount\n8,80\n"
OTHER = b"code,price\n7,70\n"


def _intake(world, assets=DAY):
    """What one arrival of files leads to, and gold after it."""
    world.daemon.tick("evidence_arrival")
    result = world.run(assets, partition=today_key("acme"))
    assert result.success
    assert world.run([keys.GOLD_SCORE_HISTORY], partition="acme").success


def _ids(world, table):
    rows = world.query("acme", f"SELECT * FROM {{base}}_bronze.{table}")
    return sorted(
        next(value for name, value in row.items() if name in {"id", "code"}) for row in rows
    )


@pytest.fixture(scope="module")
def world(local_world):
    """Two files and a copy of the second; then a note on the same day."""
    local_world.drop(
        "acme", {"e1/loans.csv": FIRST, "e1/prices.csv": OTHER, "e1/zz_copy.csv": OTHER}
    )
    _intake(local_world)
    local_world.drop("acme", {"e1/loans_second.csv": SECOND, "e1/note.md": b"# A\n\nText.\n"})
    _intake(local_world)
    return local_world


def test_a_second_drop_of_the_day_keeps_the_rows_of_the_first(world):
    tables = world.table_rows("acme")

    assert _ids(world, "e1__loans") == [1, 2]
    assert _ids(world, "e1__loans_second") == [3]
    assert len(tables["evidence_bronze.bronze_evidence_raw"]) == 5
    assert len(tables["evidence_silver.silver_quality_events"]) == 4


def test_a_back_fill_of_the_day_changes_no_table(world):
    before = world.table_rows("acme")

    _intake(world)

    assert world.table_rows("acme") == before
    assert before["evidence_gold.gold_quality_score_history"]


def test_a_silver_run_again_writes_the_same_rows(world):
    before = world.table_rows("acme")

    assert world.run(keys.SILVER, partition=today_key("acme")).success

    assert world.table_rows("acme") == before


@pytest.fixture(scope="module")
def replaced(world):
    """After both tables' files got other content under their names."""
    before = world.table_rows("acme")
    world.drop("acme", {"e1/loans.csv": CHANGED, "e1/prices.csv": b"code,price\n9,90\n"})
    _intake(world)
    return before, world.table_rows("acme")


def test_a_superseded_file_leaves_datasets_and_silver_but_not_bronze(world, replaced):
    before, after = replaced

    assert _ids(world, "e1__loans") == [8]
    bronze, silver = "evidence_bronze.bronze_evidence_raw", "evidence_silver.silver_quality_events"
    assert len(after[bronze]) == len(before[bronze]) + 2
    # Two went, two came, and the copy of the second counts by now.
    assert len(after[silver]) == len(before[silver]) + 1


def test_a_duplicate_is_promoted_when_its_original_is_superseded(world, replaced):
    new = sorted(set(replaced[1]) - set(replaced[0]))

    assert _ids(world, "e1__prices") == [9]
    assert [name.split(".")[1] for name in new] == ["e1__zz"]
    assert _ids(world, "e1__zz") == [7]


def test_content_that_comes_back_has_its_rows_again(world, replaced):
    world.drop("acme", {"e1/loans.csv": FIRST})
    _intake(world)

    assert _ids(world, "e1__loans") == [1, 2]
