"""The whole demo, once: what it says is what its evidence is known to hold."""

from __future__ import annotations

import json

import pytest

from kmflow_orchestration.demo.evidence import DIRT, GROUPS
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.run_demo import Listener, run_demo
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, TableName

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demo")]
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
def done(tmp_path_factory):
    """The demo's report, and its set-up while it is open."""
    home = Home.at(tmp_path_factory.mktemp("demo"))
    with Sandbox(home, "databricks") as sandbox:
        yield run_demo(sandbox, Listener()), sandbox


@pytest.fixture(scope="module")
def report(done):
    return json.loads(json.dumps(done[0].as_json(), default=str))


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
def test_every_known_dirt_of_a_rule_is_an_issue_of_its_column(done, group):
    """Dirt of the first drop in a file that the second one replaced is gone with it."""
    story, _ = done
    (found,) = [one for one in story.groups if one.group == group]
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


def test_groups_share_names_and_nothing_else(done):
    _, sandbox = done
    for group, other in (("acme", "globex"), ("globex", "acme")):
        one = sandbox.context.group(GroupId(group))
        table = TableName(group, "evidence", "evidence_metadata")
        own = one.lakehouse.query(f"SELECT DISTINCT group_id FROM {table.sql}")
        assert own.column("group_id").to_pylist() == [group]
        others = TableName(other, "evidence", "evidence_metadata")
        with pytest.raises(GroupMismatch):
            one.lakehouse.query(f"SELECT * FROM {others.sql}")
