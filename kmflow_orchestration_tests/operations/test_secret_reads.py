"""Row A19: whoever looks a group's secret up leaves a record of it, and never the secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import CredentialError
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
TOKEN = "dapi0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"

Opened = Callable[..., Context]


@pytest.fixture
def opened(tmp_path: Path, control_database: NewDatabase) -> Iterator[Opened]:
    """Contexts on one control database, as steps and ticks of a process open them."""
    address = control_database(tmp_path / "control.db")
    made: list[Context] = []

    def context(**arguments: str) -> Context:
        settings = load_settings(home=str(tmp_path), database_url=address)
        made.append(Context(settings, **arguments))
        return made[-1]

    yield context
    for one in made:
        one.close()


@pytest.fixture
def reference(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN, encoding="ascii")
    return f"file:{path}"


def save(context: Context, group: GroupId, **values: str) -> None:
    settings = {
        "workspace_url": "https://adb-1.azuredatabricks.net",
        "warehouse_id": "0123456789abcdef",
        "catalog": group,
        "schema": "evidence",
        **values,
    }
    context.group_configs.save(group, parse_group(group, settings), "tests")


def sign_in(context: Context, group: GroupId = ACME) -> None:
    context.clients.get(context.group(group).config)


def reads(context: Context, group: GroupId = ACME) -> list[Deed]:
    """Look-ups, the first one first."""
    deeds = [entry.deed for entry in context.config_audit.entries(group)]
    return [deed for deed in reversed(deeds) if deed.action is AuditAction.READ_SECRET]


def test_a_look_up_is_noted_with_who_and_where_and_never_what(opened: Opened, reference) -> None:
    context = opened(actor="ann@kmflow.test")
    save(context, ACME, token=reference)

    sign_in(context)

    (deed,) = reads(context)
    assert (deed.actor_email, deed.error_code) == ("ann@kmflow.test", "")
    assert (deed.before, deed.after) == (None, {"reference": reference})
    assert TOKEN not in repr(context.config_audit.entries(ACME))


def test_once_a_process_is_enough(opened: Opened, reference) -> None:
    save(opened(), ACME, token=reference)
    for _ in range(3):
        sign_in(opened())

    assert len(reads(opened())) == 1


def test_each_group_and_each_reference_has_its_own_record(opened: Opened, reference) -> None:
    context = opened()
    save(context, ACME, token=reference)
    save(context, GLOBEX, client_id="c", client_secret=reference)
    for group in (ACME, GLOBEX):
        sign_in(context, group)
    other = Path(f"{reference.removeprefix('file:')}.new")
    other.touch(mode=0o600)
    other.write_text(TOKEN, encoding="ascii")
    save(context, ACME, token=f"file:{other}")
    sign_in(context)

    assert [deed.after for deed in reads(context)] == [
        {"reference": reference},
        {"reference": f"file:{other}"},
    ]
    assert [deed.after for deed in reads(context, GLOBEX)] == [{"reference": reference}]


def test_a_look_up_that_fails_is_noted_too_and_the_next_one_that_does_not(
    opened: Opened, reference
) -> None:
    context = opened()
    save(context, ACME, token=reference)
    path = Path(reference.removeprefix("file:"))
    path.rename(f"{path}.away")
    for _ in range(2):
        with pytest.raises(CredentialError):
            sign_in(context)
    Path(f"{path}.away").rename(path)
    sign_in(context)

    assert [deed.error_code for deed in reads(context)] == [CredentialError.code, ""]


def test_a_profile_counts_as_the_place_it_is(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "cfg"
    file.touch(mode=0o600)
    file.write_text(f"[p]\nhost = https://adb-1.azuredatabricks.net\ntoken = {TOKEN}\n")
    context = opened()
    save(context, ACME, profile="p", config_file=str(file))

    sign_in(context)

    assert [deed.after for deed in reads(context)] == [{"reference": "profile:p"}]


def test_the_actor_is_the_run_or_else_who_runs_the_process(opened: Opened, monkeypatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert opened(dagster_run_id="r1").actor == "Dagster run r1"
    assert opened().actor == "ann"
