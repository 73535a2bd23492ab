"""`kmflow evidence download`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.cli.test_evidence_commands import acme, listed

__all__ = ["acme"]

FAILED, USAGE = 1, 2
CONTENT = b"id\n1\n"


@pytest.fixture
def download(acme: Kmflow) -> tuple[str, ...]:
    """The command for the one item there is."""
    return ("evidence", "download", str(listed(acme)["id"]), "--group", "acme")


def damage() -> None:
    """Other bytes of the same length in the one stored file."""
    with Context(load_settings()) as context:
        (item,) = context.register.items(GroupId("acme"), limit=10)
        local = context.group(GroupId("acme")).local_store()
        local.local_path(item.stored_path).write_bytes(CONTENT.swapcase())


def test_it_is_written_under_its_name_or_where_it_is_wanted(
    acme: Kmflow, download: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    here = acme(*download)
    into = acme(*download, str(folder), "--json")
    named = acme(*download, str(tmp_path / "b.csv"))

    assert [here.code, into.code, named.code] == [0, 0, 0]
    assert "5 bytes, SHA-256" in here.err
    assert into.json["file"] == str(folder / "a.csv")
    for file in ("a.csv", "folder/a.csv", "b.csv"):
        assert (tmp_path / file).read_bytes() == CONTENT
    audit = acme("group", "history", "acme", "--audit", "--json").out
    assert audit.count("download_evidence") == 3


def test_what_is_there_is_replaced_only_when_told(
    acme: Kmflow, download: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("mine")

    refused = acme(*download)
    assert (refused.code, "--force" in refused.err) == (USAGE, True)
    assert (tmp_path / "a.csv").read_text() == "mine"

    assert acme(*download, "--force").code == 0
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


def test_wrong_bytes_leave_nothing_and_what_was_there_stays(
    acme: Kmflow, download: tuple[str, ...], tmp_path: Path
) -> None:
    damage()
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.csv").write_text("mine")

    failed = acme(*download, str(out), "--force")

    assert (failed.code, "KM-EVIDENCE-003" in failed.err) == (FAILED, True)
    assert [one.name for one in out.iterdir()] == ["a.csv"]
    assert (out / "a.csv").read_text() == "mine"


@pytest.mark.parametrize("out", ["no/such/folder.csv", "home"])
def test_a_place_that_is_none_is_a_usage_error(
    acme: Kmflow, download: tuple[str, ...], tmp_path: Path, out: str
) -> None:
    (tmp_path / "home" / "a.csv").mkdir()
    assert acme(*download, str(tmp_path / out)).code == USAGE


def test_an_item_nobody_has_is_said(acme: Kmflow) -> None:
    refused = acme("evidence", "download", "no-such-id", "--group", "acme")
    assert (refused.code, "KM-EVIDENCE-001" in refused.err) == (FAILED, True)
