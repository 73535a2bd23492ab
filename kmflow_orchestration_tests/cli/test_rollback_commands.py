"""`kmflow rollback plan`, and `kmflow evidence list` after STORAGE_BACKEND changed (row B34)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room, embedded_server, room

__all__ = ["embedded_server", "room"]

ACME = GroupId("acme")
PLAN = ("rollback", "plan", "--group", "acme")
LIST = ("evidence", "list", "--group", "acme")


@pytest.fixture
def acme(room: Room, kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kmflow:
    """A group with a file that was stored on Databricks, and one stored here after the switch."""
    monkeypatch.setenv("KMFLOW_QUIET_PERIOD_S", "0")
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    landing = tmp_path / "landing"
    (landing / "e1").mkdir(parents=True)
    settings = {
        "catalog": "acme",
        "schema": "main",
        "evidence_volume": "evidence",
        "workspace_url": room.url,
        "warehouse_id": room.server.services.warehouses.default_id(room.admin.workspace_id),
        "token": "env:ACME_TOKEN",
        "allow_insecure_loopback": "true",
        "landing_path": str(landing),
    }
    words = [f"{name}={value}" for name, value in settings.items()]
    assert kmflow("group", "create", "acme", *words).code == 0
    for backend in ("databricks", "local"):
        monkeypatch.setenv("STORAGE_BACKEND", backend)
        (landing / "e1" / f"{backend}.csv").write_text(f"id\n{backend}\n")
        with Context(load_settings()) as context:
            sweep_all(ACME, landing, ledger=context.ledger, clock=context.clock)
            store_batch(ACME, utc_day(context.clock.now()), **context.group(ACME).storing())
    return kmflow


def listed(kmflow: Kmflow) -> dict[str, tuple[object, object]]:
    """Backend of each file, and what is said of one that cannot be reached."""
    found = kmflow(*LIST, "--json").json["evidence"]
    return {one["name"]: (one["backend"], one["unreachable"]) for one in found}


def test_the_plan_ends_with_0_while_everything_can_be_read(acme: Kmflow) -> None:
    told = acme(*PLAN, "--json")
    assert told.code == 0
    assert (told.json["readable"], told.json["storage_backend"]) == (True, "local")
    assert [one["name"] for one in told.json["since_switch"]["files"]] == ["databricks.csv"]
    assert listed(acme) == {"databricks.csv": ("databricks", None), "local.csv": ("local", None)}

    shown = acme(*PLAN)
    assert shown.code == 0
    assert told.json["command"] in shown.out
    assert told.json["command"].startswith("kmflow migrate from-databricks --group acme ")


def test_copies_that_the_mirror_is_owed_are_shown_and_brought(
    acme: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acme("rollback", "deliver", "--group", "acme").code == 0
    monkeypatch.setenv("STORAGE_MIRROR", "delta")
    (tmp_path / "landing" / "e1" / "mirrored.csv").write_text("id\n7\n")
    with Context(load_settings()) as context:
        own = context.group(ACME)
        sweep_all(ACME, own.landing_root, ledger=context.ledger, clock=context.clock)
        store_batch(ACME, utc_day(context.clock.now()), **own.storing())

    owed = {"backend": "delta", "owed": 1, "delivered": 0, "problem": ""}
    assert acme(*PLAN, "--json").json["mirrors"] == [owed]
    assert "mirror delta: 0 copies, 1 owed" in acme(*PLAN).err

    told = acme("rollback", "deliver", "--group", "acme", "--json")
    assert (told.code, told.json["mirror_delivered"], told.json["mirror_owed"]) == (0, 1, 0)
    assert acme(*PLAN, "--json").json["mirrors"] == [owed | {"owed": 0, "delivered": 1}]


def test_without_credentials_the_list_goes_on_and_the_plan_ends_with_1(
    acme: Kmflow, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_TOKEN")
    told = acme(*PLAN, "--json")
    assert (told.code, told.json["readable"]) == (1, False)
    assert [one["name"] for one in told.json["unreadable"]["files"]] == ["databricks.csv"]
    assert "ACME_TOKEN" in str(told.json["backends"])
    assert acme(*PLAN).code == 1

    wanted = {
        "databricks.csv": ("databricks", "backend databricks"),
        "local.csv": ("local", None),
    }
    assert listed(acme) == wanted
    shown = acme(*LIST)
    assert (shown.code, "unreachable: backend databricks" in shown.err) == (0, True)

    monkeypatch.setenv("ACME_TOKEN", "wrong")
    assert listed(acme) == wanted
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    assert set(listed(acme).values()) == {("databricks", None), ("local", None)}
    assert acme(*PLAN).code == 0
