"""Scores of evidence items (rows B15 and B16): the exact values the specification names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from kmflow_orchestration.intake import evidence_scores as scores

DAY = date(2026, 11, 20)
FACTS = scores.ScoringFacts(
    requested=4,
    fulfilled=3,
    others=2,
    source_type="internal",
    has_author=True,
    is_verified=False,
    source_date=DAY - timedelta(days=365),
    reference_date=DAY,
)


@pytest.mark.parametrize(
    ("days", "expected"), [(0, 1.0), (365, 0.9643), (1095, 0.5), (2190, 0.1111)]
)
def test_freshness_falls_with_age_as_specified(days, expected):
    assert scores.freshness(DAY - timedelta(days=days), DAY) == expected


def test_freshness_of_the_future_is_full_and_without_date_low():
    assert scores.freshness(DAY + timedelta(days=9), DAY) == 1.0
    assert scores.freshness(None, DAY) == 0.3


@pytest.mark.parametrize(
    ("others", "expected"), [(0, 0.5), (1, 0.6667), (2, 0.75), (3, 0.8), (5, 0.8571)]
)
def test_consistency_grows_with_company(others, expected):
    assert scores.consistency(others) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [("official", 1.0), ("Secondary", 0.6), ("gossip", 0.4), (7, 0.4), (None, 0.4)],
)
def test_reliability_goes_by_the_kind_of_source(source, expected):
    assert scores.reliability(source, is_verified=False, has_author=False) == expected


def test_verification_and_author_add_up_to_at_most_one():
    assert scores.reliability("internal", is_verified=True, has_author=True) == 0.95
    assert scores.reliability("official", is_verified=True, has_author=True) == 1.0


def test_completeness_without_requests_is_a_half():
    assert scores.completeness(0, 0) == 0.5
    assert scores.completeness(4, 3) == 0.75


def test_composite_is_the_weighted_sum():
    result = scores.score(FACTS)

    assert result == scores.Scores(0.75, 0.85, 0.9643, 0.75, composite=0.8229)


def test_weights_of_an_engagement_change_the_composite():
    only_fresh = {"completeness": 0.0, "reliability": 0.0, "freshness": 1.0, "consistency": 0.0}

    assert scores.score(replace(FACTS, source_date=None), only_fresh).composite == 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"freshness": 1.2}, "'freshness' is outside"),
        ({"freshness": 0.5}, "do not add up"),
        ({"speed": 0.1}, "unknown weight 'speed'"),
    ],
)
def test_bad_weights_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        scores.checked_weights({**scores.DEFAULT_WEIGHTS, **change})


def test_a_missing_weight_is_named():
    with pytest.raises(ValueError, match="'consistency' is missing"):
        scores.checked_weights({"completeness": 0.4, "reliability": 0.3, "freshness": 0.3})
