"""`kmflow evidence list|delete`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kmflow_orchestration.access.process_user import operator_name
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.cli.conftest import Kmflow

FAILED, USAGE = 1, 2
ACME = GroupId("acme")


class Keyboard(io.StringIO):
    """A terminal at which somebody types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def acme(kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kmflow:
    """A group with one stored file and its rows."""
    monkeypatch.setenv("KMFLOW_QUIET_PERIOD_S", "0")
    landing = tmp_path / "landing"
    (landing / "e1").mkdir(parents=True)
    (landing / "e1" / "a.csv").write_text("id\n1\n")
    settings = ("catalog=kmflow", "schema=acme", f"landing_path={landing}")
    assert kmflow("group", "create", "acme", *settings).code == 0
    assert kmflow("provision", "--group", "acme").code == 0
    with Context(load_settings()) as context:
        group, day = context.group(ACME), utc_day(context.clock.now())
        sweep_all(ACME, landing, ledger=context.ledger, clock=context.clock)
        store_batch(ACME, day, **group.storing())
        publish_bronze(ACME, day, **group.recording())
    return kmflow


def listed(kmflow: Kmflow) -> dict[str, object]:
    (found,) = kmflow("evidence", "list", "--group", "acme", "--json").json["evidence"]
    assert isinstance(found, dict)
    return found


def test_an_item_is_listed_and_deleted_and_stays_listed(acme: Kmflow) -> None:
    before = listed(acme)
    assert (before["name"], before["state"], before["size_bytes"]) == ("a.csv", "stored", 5)
    delete = ("evidence", "delete", str(before["id"]), "--group", "acme")

    told = acme(*delete, "--dry-run", "--json").json
    assert (told["dry_run"], told["metadata_row"], listed(acme)) == (True, "there", before)
    deleted = acme(*delete, "--yes", "--json").json
    again = acme(*delete, "--yes")

    assert (deleted["removed_file"], deleted["metadata_row"]) == (True, "removed")
    assert (again.code, "was deleted before" in again.err) == (0, True)
    after = listed(acme)
    assert (after["state"], after["deleted_by"]) == ("deleted", operator_name())
    assert str(before["id"]) in acme("evidence", "list", "--group", "acme").out


def test_it_asks_first_and_a_no_deletes_nothing(
    acme: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = ("evidence", "delete", str(listed(acme)["id"]), "--group", "acme")

    nobody = acme(*delete)
    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    refused = acme(*delete)
    assert (nobody.code, "--yes" in nobody.err) == (USAGE, True)
    assert (refused.code, "nothing was deleted" in refused.err) == (FAILED, True)
    assert listed(acme)["state"] == "stored"

    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    agreed = acme(*delete)
    assert (agreed.code, "a.csv of e1" in agreed.err) == (0, True)
    assert listed(acme)["state"] == "deleted"


@pytest.mark.parametrize("more", [(), ("--engagement", "e2")], ids=["id", "engagement"])
def test_what_is_not_there_is_told_by_its_code(acme: Kmflow, more: tuple[str, ...]) -> None:
    item = str(listed(acme)["id"]) if more else "no-such-id"
    refused = acme("evidence", "delete", item, "--group", "acme", "--yes", *more)
    assert (refused.code, "KM-EVIDENCE-001" in refused.err) == (FAILED, True)
    assert "kmflow evidence list" in refused.err
    assert listed(acme)["state"] == "stored"


def test_the_stages_of_a_group_are_summed_up(acme: Kmflow) -> None:
    told = acme("stages", "--group", "acme", "--json").json
    shown = acme("stages", "--group", "acme")

    assert told["group"] == "acme"
    stored, bronze = told["stages"]
    assert (stored["stage"], stored["batches"], stored["input_count"]) == ("stored", 1, 1)
    assert (bronze["stage"], bronze["output_count"], bronze["error_types"]) == ("bronze", 1, {})
    assert shown.code == 0
    assert "bronze" in shown.out


def test_stages_are_those_of_the_day_that_was_asked_for(acme: Kmflow) -> None:
    today = str(acme("stages", "--group", "acme", "--json").json["stages"][0]["started_at"])[:10]
    of = ("stages", "--group", "acme", "--json", "--day")

    assert len(acme(*of, today).json["stages"]) == 2
    assert acme(*of, "2001-01-01").json["stages"] == []
    assert acme(*of, "yesterday").code == USAGE


def test_stages_of_an_unknown_group_are_refused(acme: Kmflow) -> None:
    refused = acme("stages", "--group", "acne")
    assert refused.code not in (0, USAGE)
    assert "acme" in refused.err
