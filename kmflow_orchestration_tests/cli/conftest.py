"""The command in this process, with a home of its own and nothing inherited from outside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import Room, embedded_server, room

__all__ = ["embedded_server", "room"]

OURS = (
    *("KMFLOW_", "DATABRICKS_", "USE_DATABRICKS"),
    *("STORAGE_BACKEND", "EVIDENCE_STORE_PATH", "DATALAKE_PATH", "DAGSTER_HOME"),
)
TOKEN = "canary-7f3a9c51"


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Kmflow = Callable[..., Outcome]


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control_databases: ControlDatabases
) -> Iterator[Path]:
    """An empty KMFLOW_HOME; the current directory holds no `.env`."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMFLOW_HOME", str(tmp_path / "home"))
    with control_databases.of_a_test():
        url = control_databases.unmigrated(tmp_path / "home" / "control.db")
        for name, value in control_databases.settings(url).items():
            monkeypatch.setenv(f"KMFLOW_{name.upper()}", value)
        yield tmp_path / "home"


@pytest.fixture
def kmflow(home: Path, capsys: pytest.CaptureFixture[str]) -> Kmflow:
    """`kmflow` with these arguments."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Outcome(code, out, err)

    return call


@pytest.fixture
def groups_file(tmp_path: Path) -> Callable[..., str]:
    """A YAML file of one group `acme`; settings given as None are left out."""

    def write(**settings: object) -> str:
        values: Mapping[str, object] = {"catalog": "kmflow", "schema": "acme", **settings}
        lines = [f"    {k}: {json.dumps(v)}" for k, v in values.items() if v is not None]
        path = tmp_path / "groups.yaml"
        path.write_text("\n".join(["groups:", "  acme:", *lines, ""]), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def on_workspace(
    room: Room, kmflow: Kmflow, groups_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Room:
    """Group acme is set up on the embedded workspace, its token in ACME_TOKEN."""
    acme = room.group("kmflow")
    monkeypatch.setenv("ACME_TOKEN", acme.token)
    monkeypatch.setenv("STORAGE_BACKEND", "databricks")
    warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)
    imported = kmflow(
        "group",
        "import",
        groups_file(
            workspace_url=room.url,
            warehouse_id=warehouse,
            token="env:ACME_TOKEN",
            allow_insecure_loopback=True,
        ),
    )
    assert imported.code == 0, imported.err
    room.server.services.request_log.clear()
    return room
