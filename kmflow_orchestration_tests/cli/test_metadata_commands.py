"""`kmflow backfill-metadata` and `kmflow dedupe-metadata` on a workspace, by what people see."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

VOLUME = "/Volumes/kmflow/acme/raw_evidence"
BACKFILL = ("backfill-metadata", "--group", "acme")
DEDUPE = ("dedupe-metadata", "--group", "acme")
FAILED, CONFIGURATION, UNREACHABLE = 1, 3, 5


class Workspace:
    """acme's Volume and table, as somebody else works on them."""

    def __init__(self, room: Room) -> None:
        self.client = room.group("kmflow").client()
        self.warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)

    def put(self, path: str, content: bytes) -> str:
        target = f"{VOLUME}/evidence_store/{path}"
        self.client.files.upload(target, io.BytesIO(content), overwrite=True)
        return target

    def put_ours(self, name: str, content: bytes) -> str:
        item = item_id("acme", "e1", hashlib.sha256(content).hexdigest(), name)
        return self.put(f"e1/2026-11-03/{stored_name(item, name)}", content)

    def sql(self, statement: str) -> list[Any]:
        answer = self.client.statement_execution.execute_statement(statement, self.warehouse)
        assert str(answer.status and answer.status.state) == "StatementState.SUCCEEDED", answer
        return (answer.result and answer.result.data_array) or []

    def rows(self) -> list[Any]:
        return self.sql(
            "SELECT volume_path, content_hash, stored_at FROM kmflow.acme.evidence_metadata"
        )


@pytest.fixture
def workspace(kmflow: Kmflow, on_workspace: Room) -> Workspace:
    assert kmflow("provision", "--group", "acme").code == 0
    return Workspace(on_workspace)


def test_files_that_were_copied_into_the_volume_get_rows_once(
    kmflow: Kmflow, workspace: Workspace, on_workspace: Room
) -> None:
    path = workspace.put_ours("loans.csv", b"id\n1\n")

    would = kmflow(*BACKFILL, "--dry-run", "--json").json
    assert (would["dry_run"], would["inserted"], workspace.rows()) == (True, 1, [])
    done = kmflow(*BACKFILL, "--json")
    on_workspace.server.services.request_log.clear()
    again = kmflow(*BACKFILL)
    assert on_workspace.server.requests("POST").count() == 1  # the one query

    assert (done.code, done.json["inserted"], done.json["problems"]) == (0, 1, 0)
    ((volume_path, digest, stored_at),) = workspace.rows()
    assert (volume_path, digest) == (path, hashlib.sha256(b"id\n1\n").hexdigest())
    modified = parsedate_to_datetime(workspace.client.files.get_metadata(path).last_modified or "")
    assert datetime.fromisoformat(stored_at).replace(microsecond=0) == modified
    assert (again.code, "0 rows inserted, 0 removed" in again.err) == (0, True)


def test_a_foreign_file_and_a_double_row_are_told_with_what_to_do(
    kmflow: Kmflow, workspace: Workspace
) -> None:
    foreign = workspace.put("e1/0123456789abcdef_old_form.csv", b"x")
    workspace.put_ours("loans.csv", b"id\n1\n")
    kmflow(*BACKFILL)
    workspace.sql(
        "INSERT INTO kmflow.acme.evidence_metadata SELECT * FROM kmflow.acme.evidence_metadata"
    )

    told = kmflow(*BACKFILL, "--json")
    assert told.code == FAILED
    assert told.json["details"]["foreign_paths"] == [foreign]
    assert told.json["duplicates"] == 1
    assert "kmflow dedupe-metadata --group acme --apply" in kmflow(*BACKFILL).err
    listed = kmflow(*DEDUPE)
    assert ("1 of 2 rows to be removed, with --apply" in listed.err, len(workspace.rows())) == (
        True,
        2,
    )
    (gone,) = kmflow(*DEDUPE, "--apply", "--json").json["surplus"]
    assert gone["file_name"] == "loans.csv"
    assert len(workspace.rows()) == 1
    assert "none of 1 rows is there twice" in kmflow(*DEDUPE, "--apply").err


def test_a_volume_that_is_not_there_is_no_empty_store(
    kmflow: Kmflow, workspace: Workspace, on_workspace: Room
) -> None:
    workspace.put_ours("loans.csv", b"id\n1\n")
    kmflow(*BACKFILL)
    on_workspace.admin_client().volumes.delete("kmflow.acme.raw_evidence")

    refused = kmflow(*BACKFILL, "--prune")

    assert refused.code == UNREACHABLE
    assert f"there is no Volume {VOLUME}" in refused.err
    assert len(workspace.rows()) == 1


@pytest.mark.parametrize("command", [BACKFILL, DEDUPE], ids=lambda words: words[0])
def test_a_group_that_is_not_there_is_named(kmflow: Kmflow, command: tuple[str, ...]) -> None:
    refused = kmflow(*command)

    assert refused.code == CONFIGURATION
    assert "there is no group 'acme'" in refused.err
