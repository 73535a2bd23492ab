"""The whole demo, as a person starts it, twice: what it says is what its evidence is known to hold,
and the second time there is nothing to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from kmflow_orchestration.demo.evidence import DIRT, GROUPS
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.report import report_group
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, TableName
from kmflow_orchestration_tests.demo.small_demo import contents

# Two whole demos, on a machine that does other things besides.
pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(900),
]
RUN = "from kmflow_orchestration.cli.main import run; run()"
# Which hygiene rule sees which kind of dirt; the others are no matter of one column's values.
RULES = {
    "filler": "1002",
    "leading_space": "1009",
    "quoted_value": "1010",
    "wrong_type": "1011",
    "mixed_date": "1012",
    "unlikely_date": "1018",
    "non_printing": "1031",
}
QUARANTINE = {
    "empty_file": "empty",
    "truncated_workbook": "corrupt",
    "symlink_out": "path_trick",
    "outside_engagement": None,  # bad_name or no_engagement, by what the folder is called
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home.at(tmp_path_factory.mktemp("demo"))


def demonstrated(home):
    """What `kmflow demo --json` prints, and nothing else."""
    command = [sys.executable, "-c", RUN, "demo", "--dir", str(home.root), "--json"]
    demo = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    assert demo.returncode == 0, demo.stderr[-3000:]
    return json.loads(demo.stdout)


@dataclass
class Told:
    """What a demo printed, and what it left behind."""

    report: dict
    contents: dict
    commits: dict
    groups: list


def told(home):
    report = demonstrated(home)
    with Sandbox(home, "databricks") as sandbox:
        return Told(
            report,
            {group: contents(sandbox, group) for group in sandbox.groups},
            commits(home),
            [report_group(sandbox.context, group, items_before=0) for group in sandbox.groups],
        )


def commits(home):
    """Every commit of every Delta table of the workspace."""
    logs = home.workspace.rglob("_delta_log")
    return {str(log): sorted(one.name for one in log.glob("*.json")) for log in logs}


@pytest.fixture(scope="module")
def first(home):
    return told(home)


@pytest.fixture(scope="module")
def report(first):
    return first.report


@pytest.fixture(scope="module")
def second(home, first):
    """After the same command in the same directory."""
    return told(home)


def dirty(kind: str, group: str) -> list[str]:
    return [one.path for one in DIRT if one.dirt.kind == kind and one.group == group]


def changed(group: str) -> set[str]:
    return set(dirty("changed_file", group))


def test_it_ends_well(report):
    assert (report["failed_runs"], report["settled"]) == ([], True)
    assert report["seconds"] > 0
    assert set(report["groups"]) == {"acme", "globex"}


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_quarantined_is_what_is_known_to_be_bad_with_its_reason(report, group):
    found = {one["path"]: one["code"] for one in report["groups"][group]["quarantined"]}
    expected = {path: code for kind, code in QUARANTINE.items() for path in dirty(kind, group)}
    assert set(found) == set(expected)
    assert {path: code for path, code in expected.items() if code}.items() <= found.items()
    assert report["groups"][group]["files_quarantined"] == len(expected)


@pytest.mark.parametrize("group", GROUPS)
def test_changed_files_supersede_what_they_were(report, group):
    assert report["groups"][group]["superseded"] == len(changed(group))


@pytest.mark.parametrize("group", GROUPS)
def test_every_profile_run_ended_well_and_every_table_group_has_a_score(report, group):
    found = report["groups"][group]
    assert {run["status"] for run in found["profile_runs"]} == {"completed"}
    assert all(0 < run["score"] < 1 for run in found["profile_runs"])
    assert 0 < found["score"] < 1
    assert found["issues"] > 0


@pytest.mark.parametrize("group", GROUPS)
def test_every_known_dirt_of_a_rule_is_an_issue_of_its_column(first, group):
    """Dirt of the first drop in a file that the second one replaced is gone with it."""
    (found,) = [one for one in first.groups if one.group == group]
    issues = {
        (one.table_name.split("__")[0], one.column_name, one.anomaly_type_id)
        for one in found.issues
    }
    expected = {
        (one.path.split("/")[0].replace("-", "_"), one.dirt.column, RULES[one.dirt.kind])
        for one in DIRT
        if one.group == group and one.dirt.kind in RULES
        if one.drop == 2 or one.path not in changed(group)
    }
    assert expected <= issues


@pytest.mark.parametrize("group", GROUPS)
def test_the_report_has_every_promised_field(report, group):
    found = report["groups"][group]
    assert isinstance(report["seconds"], float)
    counts = ("files_stored", "files_new", "files_quarantined", "duplicates", "superseded")
    assert all(type(found[name]) is int for name in (*counts, "issues"))
    assert found["files_new"] > 0
    assert all(type(one["rows"]) is int for one in found["tables"].values())
    assert all(isinstance(run["status"], str) for run in found["profile_runs"])
    assert isinstance(found["score"], float)


@pytest.mark.parametrize("group", GROUPS)
def test_every_table_but_profile_results_is_reported_with_its_rows(first, group):
    rows = {name: one["rows"] for name, one in first.report["groups"][group]["tables"].items()}
    assert rows == {name: one["rows"] for name, one in first.contents[group].items()}
    assert sum(rows.values()) > 0


def test_a_second_run_stores_nothing_new(second):
    assert {group: one["files_new"] for group, one in second.report["groups"].items()} == {
        "acme": 0,
        "globex": 0,
    }
    assert (second.report["dagster_runs"], second.report["failed_runs"]) == (0, [])


def test_a_second_run_changes_no_table(first, second):
    assert second.contents == first.contents
    assert sum(map(len, first.commits.values())) > len(first.commits) > 60
    assert second.commits == first.commits


def test_a_second_run_tells_the_same(first, second):
    def lasting(one):
        return {
            group: {name: value for name, value in found.items() if name != "files_new"}
            for group, found in one.report["groups"].items()
        }

    assert lasting(second) == lasting(first)


def test_groups_share_names_and_nothing_else(home, second):
    with Sandbox(home, "databricks") as sandbox:
        for group, other in (("acme", "globex"), ("globex", "acme")):
            one = sandbox.context.group(GroupId(group))
            table = TableName(group, "evidence", "evidence_metadata")
            own = one.lakehouse.query(f"SELECT DISTINCT group_id FROM {table.sql}")
            assert own.column("group_id").to_pylist() == [group]
            others = TableName(other, "evidence", "evidence_metadata")
            with pytest.raises(GroupMismatch):
                one.lakehouse.query(f"SELECT * FROM {others.sql}")
