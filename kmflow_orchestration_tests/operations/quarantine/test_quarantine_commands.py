"""`kmflow quarantine`, as a person and as a program see it."""

from __future__ import annotations

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.operations.quarantine.conftest import MEMO
from kmflow_orchestration_tests.operations.quarantine.deeds import codes
from kmflow_orchestration_tests.operations.workspace_group import WorkspaceGroup


def test_the_commands_do_the_same(acme: WorkspaceGroup, engagement: str, shell: Kmflow) -> None:
    path = f"{engagement}/notes.dbf"
    acme.drop(path, MEMO)
    acme.convert()
    of_acme = ("--group", "acme")

    listed = shell("quarantine", "list", *of_acme, "--engagement", engagement, "--json")
    shown = shell("quarantine", "show", path, *of_acme)
    accepted = shell("quarantine", "accept", path, *of_acme, "--reason", "old")
    nothing = shell("quarantine", "list", *of_acme, "--engagement", engagement)
    planned = shell("quarantine", "retry", path, *of_acme, "--dry-run", "--json")
    tried = shell("quarantine", "retry", path, *of_acme, "--ignore-missing-memo")
    again = shell("quarantine", "retry", path, *of_acme)
    acme.convert()

    assert [one.code for one in (listed, shown, accepted, nothing, planned, tried, again)] == [
        0
    ] * 7
    assert listed.json["counts"] == {"missing_memo": 1}
    assert listed.json["entries"][0]["path"] == path
    assert "--ignore-missing-memo" in shown.out
    assert "nothing waits in quarantine" in nothing.err
    assert [one["path"] for one in planned.json["tried"]] == [path]
    assert f"tried again: {path}" in tried.err
    assert "remembered for 1 item" in tried.err
    assert "does not wait in quarantine" in again.err
    assert codes(acme, engagement) == {}
    assert len(acme.rows(f"{engagement}__notes")) == 2
    assert shell("quarantine", "show", path, *of_acme).code == 1
    assert shell("quarantine", "retry", *of_acme).code == 3
    assert shell("quarantine", "retry", path, "--group", "nobody").code == 3
