"""`kmflow engagement list|set`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.cli.conftest import Kmflow

CONFIGURATION, USAGE = 3, 2
WEIGHTS = "completeness=0.1,reliability=0.1,freshness=0.7,consistency=0.1"


@pytest.fixture
def acme(kmflow: Kmflow, tmp_path: Path) -> Kmflow:
    """A group with one engagement, which has a file."""
    assert kmflow("group", "create", "acme").code == 0
    (tmp_path / "landing" / "e1").mkdir(parents=True)
    (tmp_path / "landing" / "e1" / "a.csv").write_text("a")
    with Context(load_settings()) as context:
        sweep_all(GroupId("acme"), tmp_path / "landing", ledger=context.ledger, clock=context.clock)
    return kmflow


def listed(kmflow: Kmflow) -> object:
    (found,) = kmflow("engagement", "list", "--group", "acme", "--json").json["engagements"]
    return found["quality_weights"]


def test_weights_are_set_shown_and_taken_back(acme: Kmflow) -> None:
    change = ("engagement", "set", "e1", "--group", "acme", "--quality-weights")
    assert listed(acme) is None

    assert "freshness=0.7" in acme(*change, WEIGHTS).err
    assert listed(acme) == {
        "completeness": 0.1,
        "reliability": 0.1,
        "freshness": 0.7,
        "consistency": 0.1,
    }
    assert "freshness=0.7" in acme("engagement", "list", "--group", "acme").out

    assert acme(*change, "usual", "--json").json["quality_weights"] is None
    assert listed(acme) is None


@pytest.mark.parametrize(
    ("weights", "code", "named"),
    [
        ("completeness=1", CONFIGURATION, "'reliability' is missing"),
        (WEIGHTS.replace("0.7", "0.6"), CONFIGURATION, "add up"),
        (WEIGHTS.replace("=0.7", ""), USAGE, "'freshness'"),
        (f"{WEIGHTS},freshness=0.7", USAGE, "twice"),
    ],
)
def test_bad_weights_are_refused_by_name(acme: Kmflow, weights: str, code: int, named: str) -> None:
    refused = acme("engagement", "set", "e1", "--group", "acme", "--quality-weights", weights)
    assert refused.code == code
    assert named in refused.err
    assert listed(acme) is None


def test_another_group_s_engagement_is_unknown(acme: Kmflow) -> None:
    acme("group", "create", "globex")
    refused = acme("engagement", "set", "e1", "--group", "globex", "--quality-weights", WEIGHTS)
    assert refused.code == CONFIGURATION
    assert "no engagement 'e1'" in refused.err
    assert listed(acme) is None
