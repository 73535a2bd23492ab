"""The example notebooks, cell by cell in an interpreter of their own (row D44).

A kernel would bring thirty packages; these cells hold plain Python, and so plain Python runs them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration_tests.embedded import Room, embedded_server, room

__all__ = ["embedded_server", "room"]

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
VOLUME = "/Volumes/kmflow/main/evidence"
# As a kernel does: one namespace, which is that of __main__, and no file of it.
RUN = """
import json, sys
cells = json.loads(sys.stdin.read())
for at, cell in enumerate(cells, start=1):
    exec(compile(cell, f"<cell {at}>", "exec"), globals())
"""


def cells_of(path: Path, kind: str = "code") -> list[Any]:
    notebook: Any = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.fixture
def signed_in(room: Room, tmp_path: Path) -> dict[str, str]:
    """The environment that the notebooks ask for, and nothing else of this process's."""
    acme = room.group("kmflow")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": str(tmp_path),
        "KMFLOW_HOME": str(tmp_path / "home"),
        "KMFLOW_ALLOW_INSECURE_LOOPBACK": "true",
        "KMFLOW_DEFAULT_GROUP": "acme",
        "KMFLOW_EXAMPLE_VOLUME": VOLUME,
        "DATABRICKS_HOST": room.url,
        "DATABRICKS_TOKEN": acme.token,
        "DATABRICKS_CATALOG": "kmflow",
        "DATABRICKS_SCHEMA": "main",
    }


def run(name: str, folder: Path, environment: dict[str, str]) -> str:
    """What its cells print."""
    cells = [cell.source for cell in cells_of(FOLDER / name)]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(cells),
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_volume(room: Room, folder: str) -> set[str]:
    client = room.group("kmflow").client()
    listed = client.files.list_directory_contents(f"{VOLUME}/{folder}")
    return {str(entry.name) for entry in listed if not entry.is_directory}


def test_there_are_three_notebooks_without_outputs_or_secrets() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03"]
    for path in NOTEBOOKS:
        nbformat.validate(nbformat.read(path, as_version=4))
        code = cells_of(path)
        assert all(not cell.outputs and cell.execution_count is None for cell in code), path.name
        assert cells_of(path, "markdown")[0].source.startswith(f"# {int(path.name[:2])}. ")
        assert not re.search(r"token\s*=|dapi|https?://", path.read_text()), path.name


def test_links_between_notebooks_lead_somewhere() -> None:
    for path in NOTEBOOKS:
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (FOLDER / link).is_file(), f"{path.name}: {link}"


@pytest.mark.journey
def test_the_setup_brings_a_file_into_a_volume(
    room: Room, tmp_path: Path, signed_in: dict[str, str]
) -> None:
    told = run("01_set_up.ipynb", tmp_path, signed_in)

    assert told == f"{VOLUME}/examples/hello.parquet\n"
    assert in_volume(room, "examples") == {"hello.parquet", "_hello.parquet.manifest.json"}


def test_one_file_is_converted_and_its_drift_told(tmp_path: Path) -> None:
    """Without a workspace or a home."""
    alone = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": str(tmp_path),
    }

    told = run("02_one_file.ipynb", tmp_path, alone)

    assert "amount: decimal128(18, 2)" in told
    assert "column branch was added (string)" in told
    assert "loans.v2.parquet" in told
    types = {one.name: str(one.type) for one in pq.read_schema(tmp_path / "loans.parquet")}
    assert (types["amount"], types["opened"]) == ("decimal128(18, 2)", "date32[day]")


@pytest.mark.journey
def test_a_folder_is_converted_here_and_into_a_volume(
    room: Room, tmp_path: Path, signed_in: dict[str, str]
) -> None:
    told = run("03_a_folder.ipynb", tmp_path, signed_in).splitlines()

    assert [line.split()[:3] for line in told[:5]] == [
        ["broken.xlsx", "failed", "0"],
        ["loans.csv", "converted", "2"],
        ["people.json", "converted", "2"],
        ["loans.csv", "converted", "3"],
        ["people.json", "unchanged", "2"],
    ]
    assert told[5:] == [f"{VOLUME}/examples/inbox/{name}.parquet" for name in ("loans", "people")]
    assert {"loans.parquet", "people.parquet"} <= in_volume(room, "examples/inbox")
