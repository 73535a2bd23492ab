"""A process without the driver: SQLite works, Databricks says what to install, before any call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"databricks.sql", "databricks.sqlalchemy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
OPEN = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a connection was made")
socket.socket.connect = refuse
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import MissingDependency
from kmflow_orchestration.lakehouse_sql.models import EvidenceMetadata
from kmflow_orchestration.names import GroupId
from sqlalchemy import select
given = {
    "workspace_url": "https://adb-1.7.azuredatabricks.net", "warehouse_id": "0123456789abcdef",
    "token": "env:ACME_TOKEN", "catalog": "acme", "schema": "evidence",
}
with Context(load_settings(home=sys.argv[1], use_databricks=sys.argv[2])) as context:
    context.migrate()
    acme = GroupId("acme")
    context.group_configs.save(acme, parse_group(acme, given), "a person")
    try:
        with context.session_scope(acme) as session:
            print("rows", session.scalars(select(EvidenceMetadata)).all())
    except MissingDependency as error:
        print(error.exit_code, error.hint)
"""
SERVE = """
import json, urllib.error, urllib.request
from pathlib import Path
from kmflow_orchestration.workspace.seeding import seed_workspace
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
with EmbeddedWorkspace(Path(sys.argv[1])) as server:
    seed_workspace(server, "demo", admin_token="secret-token")
    headers = {"Authorization": "Bearer secret-token"}
    url = f"{server.url}/sql/1.0/warehouses/x"
    request = urllib.request.Request(url, data=b"x", headers=headers)
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        print(error.code, json.loads(error.read())["message"])
"""


def run(code: str, *arguments: str) -> str:
    child = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


@pytest.mark.slow
def test_databricks_without_its_driver_names_the_install_line(tmp_path: Path):
    assert run(OPEN, str(tmp_path), "true") == (
        "3 pip install 'kmflow_orchestration[databricks-sql]'"
    )


@pytest.mark.slow
def test_sqlite_needs_no_driver(tmp_path: Path):
    assert run(OPEN, str(tmp_path), "false") == "rows []"


@pytest.mark.slow
def test_the_embedded_workspace_serves_all_but_thrift_without_it(tmp_path: Path):
    said = run(SERVE, str(tmp_path))
    assert said.startswith("501 ")
    assert "pip install 'kmflow_orchestration[databricks-sql]'" in said
