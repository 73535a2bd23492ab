"""A back-fill of a past day changes no table, whatever later days did to its files (AD3, AD5)."""

from __future__ import annotations

from datetime import date

import pytest

from kmflow_orchestration.partitions.keys import day_key
from kmflow_orchestration.resources import asset_keys as keys

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("end_to_end_past_days")]

FIRST_DAY, SECOND_DAY = date(2026, 11, 16), date(2026, 11, 17)
DAY = [*keys.INTAKE, *keys.SILVER]
BRONZE = [keys.BRONZE_EVIDENCE, keys.BRONZE_DATASETS]
ON_THE_FIRST = {
    "e1/loans.csv": b"id,amount\n1,10\n2,20\n",
    "e1/loans_q2.csv": b"id,amount\n3,30\n",
    "e1/prices.csv": b"code,price\n7,70\n",
    "e1/zz_copy.csv": b"code,price\n7,70\n",
    "e1/note.md": b"# A\n\nText.\n",
    "e1/memo.txt": b"Said and written.\n",
    "e1/empty.csv": b"",
}
# Two files are replaced: one leaves its table to a neighbour, the other's copy is promoted. One
# brings a column a text where there were numbers.
ON_THE_SECOND = {
    "e1/loans.csv": b"id,amount\n8,80\n9,n/a\n",
    "e1/prices.csv": b"code,price\n9,90\n",
    "e1/memo.txt": b"Said and written anew.\n",
    "e1/rates.csv": b"r\n1\n",
}


def _key(day: date) -> str:
    return str(day_key("acme", day))


def _day(world, day: date, files) -> None:
    world.drop("acme", files)
    world.seen_on(day, "acme")
    assert world.run(DAY, partition=_key(day)).success
    assert world.run([keys.GOLD_SCORE_HISTORY], partition="acme").success


@pytest.fixture(scope="module", params=["local_world", "workspace_world"])
def world(request):
    """Two days of one group, the second of which changed what the first had brought."""
    opened = request.getfixturevalue(request.param)
    _day(opened, FIRST_DAY, ON_THE_FIRST)
    opened.tables_of_the_first_day = opened.table_rows("acme")
    _day(opened, SECOND_DAY, ON_THE_SECOND)
    return opened


@pytest.fixture(scope="module")
def tables(world):
    return world.table_rows("acme")


def test_the_second_day_superseded_and_promoted(world, tables):
    first = world.tables_of_the_first_day
    bronze = "evidence_bronze"

    assert (len(first[f"{bronze}.e1__loans"]), len(tables[f"{bronze}.e1__loans"])) == (2, 2)
    assert first[f"{bronze}.e1__loans"] != tables[f"{bronze}.e1__loans"]
    assert f"{bronze}.e1__zz" not in first
    assert len(tables[f"{bronze}.e1__zz"]) == 1
    assert len(tables["evidence_bronze.bronze_evidence_raw"]) == 10


@pytest.mark.parametrize(
    "layer",
    [[keys.EVIDENCE_FILES], BRONZE, keys.SILVER, DAY],
    ids=["evidence", "bronze", "silver", "all"],
)
def test_a_past_day_run_again_changes_no_table(world, tables, layer):
    assert world.run(layer, partition=_key(FIRST_DAY)).success
    assert world.run([keys.GOLD_SCORE_HISTORY], partition="acme").success

    assert world.table_rows("acme") == tables


def test_both_days_run_again_in_one_back_fill_change_no_table(world, tables):
    assert world.run(DAY, days=(_key(FIRST_DAY), _key(SECOND_DAY))).success
    assert world.run([keys.GOLD_SCORE_HISTORY], partition="acme").success

    assert world.table_rows("acme") == tables


def test_the_days_run_again_in_the_wrong_order_change_no_table(world, tables):
    for day in (SECOND_DAY, FIRST_DAY):
        assert world.run(DAY, partition=_key(day)).success
    assert world.run([keys.GOLD_SCORE_HISTORY], partition="acme").success

    assert world.table_rows("acme") == tables


def test_a_back_fill_notes_no_table_as_changed(world, tables):
    before = [
        (one.table_name, one.changed_at) for one in world.context.table_groups.tables("acme", "e1")
    ]

    assert world.run(DAY, partition=_key(FIRST_DAY)).success

    assert before == [
        (one.table_name, one.changed_at) for one in world.context.table_groups.tables("acme", "e1")
    ]
