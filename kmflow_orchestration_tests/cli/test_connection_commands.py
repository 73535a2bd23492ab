"""`kmflow db test`, `group check` and `group discover`, as a person and as a program see them."""

from __future__ import annotations

import re

from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room


def provisioned(kmflow: Kmflow) -> None:
    assert kmflow("provision").code == 0


def test_a_good_group_exits_with_0_and_shows_each_step(on_workspace: Room, kmflow: Kmflow) -> None:
    provisioned(kmflow)

    by_hand, by_program = kmflow("group", "check", "acme"), kmflow("db", "test", "--all", "--json")

    assert by_hand.code == by_program.code == 0
    assert "probe file" in by_hand.out
    assert by_program.json["groups"]["acme"]["status"] == "success"
    assert len(by_program.json["groups"]["acme"]["steps"]) == 11


def test_what_is_missing_is_told_with_what_to_do(on_workspace: Room, kmflow: Kmflow) -> None:
    found = kmflow("db", "test", "--group", "acme")
    assert found.code == 5
    assert "kmflow provision --group acme" in found.err


def test_a_refused_token_exits_with_4(on_workspace: Room, kmflow: Kmflow, monkeypatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "dapi-of-nobody")
    found = kmflow("group", "check", "acme")
    assert found.code == 4
    assert "acme: sign-in: invalid credentials: GET " in found.err
    assert "accepts into env:ACME_TOKEN" in found.err
    assert "dapi-of-nobody" not in found.out + found.err


def test_each_step_is_shown_with_its_time(on_workspace: Room, kmflow: Kmflow) -> None:
    on_workspace.server.faults.add(Fault("fail_times", path="*/catalogs/*", status=403, times=9))

    shown, told = kmflow("group", "check", "acme").out, kmflow("group", "check", "acme", "--json")

    assert len(re.findall(r" (?:ok|fail) .*\b\d+ ms", shown)) == 8
    steps = told.json["groups"]["acme"]["steps"]
    assert [step["status"] for step in steps] == ["ok"] * 7 + ["fail"]
    assert all(step["milliseconds"] > 0 for step in steps)
    assert steps[-1]["remedy"] == "ask for USE CATALOG on kmflow"


def test_an_unresolvable_reference_exits_with_3(
    on_workspace: Room, kmflow: Kmflow, monkeypatch
) -> None:
    monkeypatch.delenv("ACME_TOKEN")
    assert kmflow("group", "check", "acme").code == 3
    assert on_workspace.server.requests().count() == 0


def test_retries_are_as_many_as_asked_for(on_workspace: Room, kmflow: Kmflow) -> None:
    on_workspace.server.faults.add(Fault("fail_times", path="*/scim/v2/Me", times=100))
    assert kmflow("db", "test", "--group", "acme", "--retries", "1").code == 5
    assert on_workspace.server.requests("GET", "*/scim/v2/Me").count() == 1


def test_it_wants_one_group_or_all_of_them(kmflow: Kmflow) -> None:
    assert kmflow("db", "test").code == 2
    assert kmflow("db", "test", "--group", "acme", "--all").code == 2


def test_an_unknown_group_is_named(kmflow: Kmflow) -> None:
    found = kmflow("group", "check", "nobody")
    assert (found.code, "nobody" in found.err) == (3, True)


def test_a_local_group_has_its_folders_checked(kmflow: Kmflow, groups_file, home) -> None:
    assert kmflow("group", "import", groups_file()).code == 0
    assert kmflow("group", "check", "acme").code == 5  # nobody has made the landing folder
    (home / "landing" / "acme").mkdir(parents=True)
    assert kmflow("group", "check", "acme").code == 0


def test_discovery_shows_what_the_group_itself_may_see(on_workspace: Room, kmflow: Kmflow) -> None:
    on_workspace.group("globex")

    found = kmflow("group", "discover", "acme", "--json").json

    assert (found["identity"], found["auth_kind"]) == ("kmflow-service", "pat")
    assert "kmflow" in found["catalogs"]
    assert "globex" not in found["catalogs"]
    assert found["warehouses"][0]["state"] == "STOPPED"  # looking starts nothing


def test_discovery_takes_no_host(on_workspace: Room, kmflow: Kmflow) -> None:
    assert kmflow("group", "discover", "acme", "--host", "https://evil.invalid").code == 2
