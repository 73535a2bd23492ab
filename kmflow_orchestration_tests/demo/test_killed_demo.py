"""A demo that is killed and repeated ends like one that was left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration_tests.demo import small_demo

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("killed_demo")]
# Words said while profiles are under way, and when the second drop has just fallen.
PROFILING, DROPPED = "profile_run", "drop 2: intake"


def started(home: Path, backend: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", small_demo.__name__, str(home), backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_at(home: Path, backend: str, words: str) -> None:
    """Start a demo and kill it as soon as it says these words."""
    demo = started(home, backend)
    assert demo.stderr is not None
    assert any(words in line for line in demo.stderr), f"it never said {words!r}"
    demo.kill()
    demo.communicate()


def ended(home: Path, backend: str) -> dict[str, Any]:
    """What a demo says that is left to its end."""
    demo = started(home, backend)
    said, errors = demo.communicate(timeout=400)
    assert demo.returncode == 0, errors[-3000:]
    report: dict[str, Any] = json.loads(said)
    assert (report["failed_runs"], report["settled"]) == ([], True)
    return report


def state(report: dict[str, Any]) -> dict[str, Any]:
    """What must be the same, however often the demo was killed on the way."""
    same = ("files_stored", "files_quarantined", "duplicates", "superseded", "tables", "issues")
    return {
        group: {name: found[name] for name in (*same, "score", "worst_columns")}
        | {"contents": report["contents"][group]}
        | {"last": [run["status"] for run in found["profile_runs"][:1]]}
        for group, found in report["groups"].items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What must come out: the state of a demo on local tables that nobody killed."""
    return state(ended(tmp_path_factory.mktemp("undisturbed"), "local"))


def test_a_demo_killed_in_a_workspace_and_repeated_ends_like_an_undisturbed_one(
    undisturbed, tmp_path
):
    killed_at(tmp_path, "databricks", PROFILING)

    assert state(ended(tmp_path, "databricks")) == undisturbed


def test_killed_again_and_again_it_ends_alike_and_then_has_nothing_to_do(undisturbed, tmp_path):
    for words in (PROFILING, DROPPED):
        killed_at(tmp_path, "local", words)
    first = ended(tmp_path, "local")
    again = ended(tmp_path, "local")

    assert state(first) == undisturbed
    assert {group: found["files_new"] for group, found in again["groups"].items()} == {
        "acme": 0,
        "globex": 0,
    }
    assert again["dagster_runs"] == 0
    assert again["contents"] == first["contents"]
    runs = first["groups"]["acme"]["profile_runs"]
    assert runs
    assert again["groups"]["acme"]["profile_runs"] == runs
