"""Scores of a day's items, and the weights an engagement has for them (rows B15, B16)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import ConfigurationError, RoleRefused
from kmflow_orchestration.intake.evidence_scores import DEFAULT_WEIGHTS
from kmflow_orchestration.operations.engagement_settings import set_quality_weights
from kmflow_orchestration.operations.provision import table_name
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.tables.medallion import SILVER_QUALITY_EVENTS
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.conftest import CONFIG

EVENTS = table_name(CONFIG.namespace, SILVER_QUALITY_EVENTS)
FRESH = {"completeness": 0.1, "reliability": 0.1, "freshness": 0.7, "consistency": 0.1}
EDITOR = caller_of("ann", ("acme",), Role.EDITOR)


@pytest.fixture
def events(lakehouse: LocalLakehouse) -> LocalLakehouse:
    lakehouse.ensure_table(EVENTS, SILVER_QUALITY_EVENTS)
    return lakehouse


def scored(place: LandingPlace, lakehouse: LocalLakehouse) -> dict[str, dict[str, Any]]:
    """Publish the day; events by file name."""
    publish_quality(
        place.group, place.today, ledger=place.ledger, lakehouse=lakehouse, config=CONFIG
    )
    names = {item.item_id: item.file_name for item in place.items()}
    rows = lakehouse.query(f"SELECT * FROM {EVENTS.sql}").to_pylist()
    return {names[row["evidence_item_id"]]: row for row in rows}


def weigh(
    place: LandingPlace,
    weights: Mapping[str, float] | None,
    *,
    engagement: str = "e1",
    caller: Caller = EDITOR,
) -> None:
    set_quality_weights(place.group, engagement, weights, caller=caller, ledger=place.ledger)


def composite(event: Mapping[str, Any], weights: Mapping[str, float]) -> float:
    return round(sum(weight * event[f"{name}_score"] for name, weight in weights.items()), 4)


def test_the_number_is_the_same_in_the_item_and_in_its_event(
    acme: LandingPlace, events: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.take_in()
    event = scored(acme, events)["a.csv"]
    (item,) = acme.items()
    assert item.scores is not None
    assert event["composite_score"] == item.scores.composite == composite(event, DEFAULT_WEIGHTS)
    assert json.loads(event["weights_json"]) == DEFAULT_WEIGHTS


def test_an_engagement_s_own_weights_score_its_files_to_come_and_no_others(
    acme: LandingPlace, events: LocalLakehouse
) -> None:
    acme.drop("e1/before.csv", "a")
    acme.drop("e2/other.csv", "b")
    acme.take_in()
    before = scored(acme, events)["before.csv"]

    weigh(acme, FRESH)
    acme.drop("e1/after.csv", "c")
    acme.drop("e2/another.csv", "d")
    acme.take_in()
    found = scored(acme, events)

    assert json.loads(found["after.csv"]["weights_json"]) == FRESH
    assert found["after.csv"]["composite_score"] == composite(found["after.csv"], FRESH)
    assert found["before.csv"]["composite_score"] == before["composite_score"]
    for name in ("before.csv", "other.csv", "another.csv"):
        assert json.loads(found[name]["weights_json"]) == DEFAULT_WEIGHTS, name


def test_a_replay_keeps_the_weights_of_the_first_time(
    acme: LandingPlace, events: LocalLakehouse
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    weigh(acme, FRESH)
    acme.take_in()
    first = scored(acme, events)
    weigh(acme, None)
    assert scored(acme, events) == first
    assert acme.ledger.engagements(acme.group)[0].weights_json is None


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ({**FRESH, "freshness": 0.9}, "add up"),
        ({**FRESH, "freshness": 1.5}, "'freshness'"),
        ({**FRESH, "taste": 0.0}, "'taste'"),
        ({"completeness": 1.0}, "'reliability'"),
        ({**FRESH, "freshness": float("nan")}, "'freshness'"),
    ],
)
def test_bad_weights_are_refused_by_name_and_change_nothing(
    acme: LandingPlace, weights: dict[str, float], named: str
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    with pytest.raises(ConfigurationError, match=named):
        weigh(acme, weights)
    assert acme.ledger.engagements(acme.group)[0].weights_json is None


def test_an_engagement_nobody_saw_is_named_with_its_nearest(acme: LandingPlace) -> None:
    acme.drop("rollout/a.csv", "a")
    acme.look()
    with pytest.raises(ConfigurationError, match="did you mean rollout"):
        weigh(acme, FRESH, engagement="rolout")


def test_a_viewer_sets_no_weights(acme: LandingPlace) -> None:
    with pytest.raises(RoleRefused):
        weigh(acme, FRESH, caller=caller_of("bob", ("acme",), Role.VIEWER))
