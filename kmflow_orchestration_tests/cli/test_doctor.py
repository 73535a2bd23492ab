"""`kmflow doctor`, as a person and as a program see it."""

from __future__ import annotations

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room


def test_it_mends_what_is_missing_and_exits_by_the_table(
    on_workspace: Room, kmflow: Kmflow
) -> None:
    before = kmflow("doctor", "--group", "acme")
    mended = kmflow("doctor", "--group", "acme", "--fix", "--json")
    strict = kmflow("doctor", "--strict", "--check", "too_broad")

    assert before.code == 5
    assert "acme: objects: fail: schemas missing in kmflow: acme" in before.err
    assert "→ kmflow provision --group acme, or let who may do it run: CREATE" in before.err
    acme = mended.json["groups"]["acme"]
    assert (mended.code, acme["exit_code"]) == (0, 0)
    assert {one["action"] for one in acme["made"]} == {"created"}
    assert [one["number"] for one in acme["checks"]] == list(range(1, 18))
    assert all(one["fix"] for one in acme["checks"] if one["status"] in {"warn", "fail"})
    assert strict.code == 1
    assert "OWNER TO" in strict.err


def test_a_refused_token_is_not_shown(on_workspace: Room, kmflow: Kmflow, monkeypatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "dapi-of-nobody")
    found = kmflow("doctor", "--json")

    assert found.code == found.json["groups"]["acme"]["exit_code"] == 4
    assert "dapi-of-nobody" not in found.out + found.err


def test_an_unknown_group_or_check_is_a_wrong_setting(kmflow: Kmflow, groups_file) -> None:
    assert kmflow("doctor", "--group", "nobody").code == 3
    assert kmflow("group", "import", groups_file()).code == 0
    unknown = kmflow("doctor", "--check", "heart")
    assert (unknown.code, "one of config, sdk" in unknown.err) == (3, True)


def test_without_groups_it_says_how_to_begin(kmflow: Kmflow) -> None:
    found = kmflow("doctor")
    assert (found.code, "kmflow group import FILE" in found.err) == (0, True)
