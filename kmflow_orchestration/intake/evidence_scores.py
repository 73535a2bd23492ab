"""Quality of one evidence item in four dimensions and their composite (rows B15, B16).

Everything is pure: what is counted comes in, a score in [0, 1] rounded to four places goes out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from kmflow_orchestration.metadata.intake_records import Scores

__all__ = ["DEFAULT_WEIGHTS", "Scores", "ScoringFacts", "checked_weights", "score", "weights_json"]

# Composite weights of row B16.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "completeness": 0.30,
    "reliability": 0.30,
    "freshness": 0.20,
    "consistency": 0.20,
}
RELIABILITY_BY_SOURCE: Mapping[str, float] = {
    "official": 1.0,
    "primary": 0.95,
    "verified": 0.9,
    "internal": 0.8,
    "third_party": 0.7,
    "client_provided": 0.6,
    "secondary": 0.6,
    "unknown": 0.4,
}
NOTHING_REQUESTED = 0.5
NO_DATE = 0.3
HALF_LIFE_DAYS = 1095


@dataclass(frozen=True, slots=True)
class ScoringFacts:
    """What the scores of one item hang on, as counted in its engagement."""

    requested: int
    """Evidence requests of the item's category in the engagement."""
    fulfilled: int
    """Those of them that are received, validated or active."""
    others: int
    """Other items of the category in the engagement that are no duplicates."""
    source_type: object
    has_author: bool
    is_verified: bool
    source_date: date | None
    reference_date: date
    """The partition's day, never today, so that a replay gives the same score."""


def completeness(requested: int, fulfilled: int) -> float:
    """Fulfilled share of what was requested; 0.5 when nothing was."""
    return NOTHING_REQUESTED if requested == 0 else round(fulfilled / requested, 4)


def reliability(source_type: object, *, is_verified: bool, has_author: bool) -> float:
    """By the kind of source, +0.1 if verified, +0.05 if an author is named, at most 1."""
    known = source_type.lower() if isinstance(source_type, str) else "unknown"
    score = RELIABILITY_BY_SOURCE.get(known, RELIABILITY_BY_SOURCE["unknown"])
    return round(min(1.0, score + 0.1 * is_verified + 0.05 * has_author), 4)


def freshness(source_date: date | None, reference_date: date) -> float:
    """1 / (1 + (days / 1095)^3); 1 for the same day or later, 0.3 without a date."""
    if source_date is None:
        return NO_DATE
    days = max(0, (reference_date - source_date).days)
    return round(1 / (1 + (days / HALF_LIFE_DAYS) ** 3), 4)


def consistency(others: int) -> float:
    """1 - 0.5 / (1 + 0.5 n) for n other items of the category; 0.5 for none."""
    return round(1 - 0.5 / (1 + 0.5 * others), 4)


def checked_weights(weights: Mapping[str, float]) -> Mapping[str, float]:
    """Weights of the four dimensions.

    Raises:
        ValueError: a key is missing or unknown, a weight outside [0, 1], or a sum other than 1.
    """
    for name in weights:
        if name not in DEFAULT_WEIGHTS:
            raise ValueError(f"unknown weight {name!r}")
    for name in DEFAULT_WEIGHTS:
        if name not in weights:
            raise ValueError(f"weight {name!r} is missing")
        if not 0 <= weights[name] <= 1:
            raise ValueError(f"weight {name!r} is outside 0 to 1")
    if abs(sum(weights.values()) - 1) > 0.001:
        raise ValueError("the weights do not add up to 1")
    return weights


def weights_json(weights: Mapping[str, float]) -> str:
    """Weights as they are kept. Raises ValueError as `checked_weights`."""
    return json.dumps(dict(checked_weights(weights)), sort_keys=True)


def score(facts: ScoringFacts, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> Scores:
    """All four dimensions and their weighted composite. Raises ValueError for bad weights."""
    weights = checked_weights(weights)
    found = Scores(
        completeness=completeness(facts.requested, facts.fulfilled),
        reliability=reliability(
            facts.source_type, is_verified=facts.is_verified, has_author=facts.has_author
        ),
        freshness=freshness(facts.source_date, facts.reference_date),
        consistency=consistency(facts.others),
        composite=0.0,
    )
    composite = sum(weight * getattr(found, name) for name, weight in weights.items())
    return replace(found, composite=round(composite, 4))
