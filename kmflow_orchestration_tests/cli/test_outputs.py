"""`kmflow output` (rows A16, A20): what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.write_output import TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.output_world import MOMENT

PLACE = "/Volumes/kmflow/acme/outputs"
FILE = f"{PLACE}/nightly/2026/11/20/loans.json"
FILES = "/api/2.0/fs/files/*"


@pytest.fixture(params=["local", "databricks"])
def write(
    request: pytest.FixtureRequest,
    kmflow: Kmflow,
    groups_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., object]]:
    """Group acme is set up on a backend; the call writes an output of one of its tasks."""
    settings: dict[str, object] = {"volume_enabled": True, "volume_path": PLACE}
    if request.param == "databricks":
        room: Room = request.getfixturevalue("room")
        monkeypatch.setenv("ACME_TOKEN", room.group("kmflow").token)
        monkeypatch.setenv("STORAGE_BACKEND", "databricks")
        settings |= {
            "workspace_url": room.url,
            "warehouse_id": "a1b2c3d4e5f60718",
            "token": "env:ACME_TOKEN",
            "allow_insecure_loopback": True,
        }
        room.admin_client().schemas.create("acme", "kmflow")
    assert kmflow("group", "import", groups_file(**settings)).code == 0
    with Context(load_settings()) as context:

        def call(value: object = None, **override: object) -> object:
            execution = Execution("r1", MOMENT, "nightly")
            output = TaskOutput(
                value=value or {"n": 1}, task_key="loans", execution=execution, override=override
            )
            return write_output(context.group(GroupId("acme")).outbox, output)

        yield call


@pytest.fixture
def failed(request: pytest.FixtureRequest, write: Callable[..., object], home: Path) -> str:
    """Id of an upload that failed; the place is sound again."""
    write({"first": True}, volume_path="kmflow.acme.first")
    if "databricks" in request.node.name:
        room: Room = request.getfixturevalue("room")
        room.server.faults.add(
            Fault("fail_times", method="PUT", path=FILES, status=403, error_code="403")
        )
        write(on_upload_error="warn")
    else:
        blocked = home / "outputs/acme/kmflow/acme/outputs"
        blocked.write_bytes(b"a file")
        write(on_upload_error="warn")
        blocked.unlink()
    (kept,) = (home / "upload_spool" / "acme").iterdir()
    return kept.name


def test_a_folder_is_listed_with_five_facts_an_entry(kmflow: Kmflow, write) -> None:
    write()

    listed = kmflow("output", "list", f"{PLACE}/nightly/2026/11/20", "--group", "acme", "--json")

    (entry,) = listed.json["outputs"]
    assert entry.keys() == {"path", "name", "is_directory", "file_size", "last_modified"}
    assert (entry["path"], entry["name"]) == (FILE, "loans.json")
    assert (entry["is_directory"], entry["file_size"]) == (False, 12)
    assert entry["last_modified"].endswith("+00:00")


def test_without_a_path_it_is_the_groups_own_place(kmflow: Kmflow, write) -> None:
    write()

    (folder,) = kmflow("output", "list", "--group", "acme", "--json").json["outputs"]
    (file,) = kmflow("output", "browse", "--group", "acme", "--json").json["outputs"]

    assert (folder["path"], folder["is_directory"]) == (f"{PLACE}/nightly", True)
    assert file["path"] == FILE
    assert file["view"].endswith("kmflow/acme/outputs/nightly/2026/11/20/loans.json")
    assert "loans.json" in kmflow("output", "browse", "--group", "acme").out


def test_deleting_tells_whether_there_was_a_file(kmflow: Kmflow, write) -> None:
    write()
    delete = ("output", "delete", FILE, "--group", "acme")

    assert kmflow(*delete, "--json").json == {"path": FILE, "deleted": True}
    again = kmflow(*delete)

    assert (again.code, again.out) == (0, "")
    assert "there was no such file" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("list", "/Volumes/kmflow/globex/outputs"), 4, "no place of group acme's outputs"),
        (("browse", "/Volumes/kmflow/acme/raw_evidence"), 4, "no place of group acme's outputs"),
        (("delete", "/Volumes/other/acme/outputs/x"), 4, "no place of group acme's outputs"),
        (("delete", f"{PLACE}/../../globex/x"), 6, "cannot be part of a path"),
        (("list", "somewhere"), 6, "is no Volume path"),
        (("list", f"{PLACE}/nothing"), 5, ""),
        (("retry", "--id", "7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11"), 1, "has no failed upload"),
    ],
)
def test_a_refusal_has_its_exit_code_and_shows_nothing_else(
    kmflow: Kmflow, write, arguments: tuple[str, ...], code: int, words: str
) -> None:
    write()

    refused = kmflow("output", *arguments, "--group", "acme", "--json")

    assert refused.code == code
    assert words in refused.err
    # The object of a failure and nothing else, least of all what was asked for.
    assert json.loads(refused.out).keys() == {"error"}
    assert json.loads(refused.out)["error"]["exit_code"] == code


def test_an_unknown_group_has_no_outputs(kmflow: Kmflow, write) -> None:
    for command in (("list",), ("browse",), ("retry",), ("delete", FILE)):
        assert kmflow("output", *command, "--group", "globex").code == 3
        assert kmflow("output", *command, "--group", "").code == 3
        assert kmflow("output", *command).code == 2


def test_a_failed_upload_is_tried_again_alone(kmflow: Kmflow, write, failed: str) -> None:
    done = kmflow("output", "retry", "--group", "acme", "--id", failed, "--json")

    assert (done.code, done.json["retried"]) == (
        0,
        [{"id": failed, "path": FILE, "file_size": 12, "arrived": True, "problem": ""}],
    )
    assert "has no failed upload" in kmflow("output", "retry", "--group", "acme").err
    assert kmflow("output", "list", "--group", "acme", "--json").json["outputs"]


def test_one_that_fails_again_is_exit_code_one(kmflow: Kmflow, write, failed: str, home) -> None:
    (home / "upload_spool" / "acme" / failed).write_bytes(b"other bytes")

    done = kmflow("output", "retry", "--group", "acme", "--json")

    assert done.code == 1
    (one,) = json.loads(done.out)["retried"]
    assert (one["arrived"], one["id"]) == (False, failed)
    assert "run the task again" in one["problem"]
