"""Partition keys: built and split in one place, for every id we allow (row G3)."""

from __future__ import annotations

from datetime import UTC, date

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.errors import ConfigurationError, GroupMismatch, KmflowError
from kmflow_orchestration.partitions import keys

IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
DAYS = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 11, 20))


@given(group=IDS, day=DAYS)
def test_splitting_a_day_key_gives_back_group_and_day(group, day):
    split = keys.split_days([str(keys.day_key(group, day))])

    assert split == keys.GroupDays(group, (day,))


@given(group=IDS, table_group=IDS)
def test_splitting_a_table_group_key_gives_back_both_ids(group, table_group):
    assert keys.split_table_group(str(keys.table_group_key(group, table_group))) == (
        group,
        table_group,
    )


def test_a_key_begins_with_its_group():
    assert str(keys.day_key("acme", date(2026, 11, 20))) == "acme|2026-11-20"
    assert str(keys.table_group_key("acme", "lending")) == "acme|lending"


def test_days_of_a_run_come_sorted():
    days = [keys.day_key("acme", date(2026, 11, day)) for day in (20, 3, 7)]

    assert [day.day for day in keys.split_days(days).days] == [3, 7, 20]


def test_a_run_over_two_groups_is_refused():
    mixed = [keys.day_key(group, date(2026, 11, 20)) for group in ("acme", "globex")]

    with pytest.raises(GroupMismatch, match="2 groups"):
        keys.split_days(mixed)


@pytest.mark.parametrize(
    "bad", ["", " ", "A", "a|b", "a,b", "a/b", "..", "a b", "ä", "-a", "a" * 64, "a\nb"]
)
def test_an_id_that_is_none_builds_no_key(bad):
    with pytest.raises(KmflowError):
        keys.day_key(bad, date(2026, 11, 20))
    with pytest.raises(ConfigurationError):
        keys.table_group_key("acme", bad)


REGIONS = dg.StaticPartitionsDefinition(["eu", "us"])
BERLIN = dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("definition", "key", "group"),
    [
        (keys.GROUPS, "acme", "acme"),
        (keys.GROUP_BY_DAY, "acme|2026-11-20", "acme"),
        (dg.MultiPartitionsDefinition({"area": REGIONS, "group": keys.GROUPS}), "eu|acme", "acme"),
        (dg.MultiPartitionsDefinition({"area": REGIONS, "tenant": keys.GROUPS}), "eu|acme", None),
        (REGIONS, "eu", None),
        (keys.DAYS, "2026-11-20", None),
    ],
)
def test_somebodys_own_keys_tell_their_group(definition, key, group):
    assert keys.group_of(definition, [key]) == group


@pytest.mark.parametrize("definition", [keys.GROUPS, keys.GROUP_BY_DAY])
def test_keys_of_two_groups_have_no_group(definition):
    mixed = (
        ["acme", "globex"]
        if definition is keys.GROUPS
        else ["acme|2026-11-20", "globex|2026-11-20"]
    )
    with pytest.raises(GroupMismatch):
        keys.group_of(definition, mixed)


@pytest.mark.parametrize(
    ("definition", "key", "start"),
    [
        (keys.GROUP_BY_DAY, "acme|2026-11-20", "2026-11-20T00:00:00+00:00"),
        (keys.DAYS, "2026-11-20", "2026-11-20T00:00:00+00:00"),
        (BERLIN, "2026-11-20", "2026-11-19T23:00:00+00:00"),
        (keys.GROUPS, "acme", None),
        (dg.MultiPartitionsDefinition({"area": REGIONS, "group": keys.GROUPS}), "eu|acme", None),
    ],
)
def test_a_key_about_a_time_tells_when_it_begins(definition, key, start):
    found = keys.start_of(definition, key)

    assert (found and found.astimezone(UTC).isoformat()) == start
