"""The runbook's two scripts, with its flags and nothing else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import kmflow_orchestration
from kmflow_orchestration.cli.runbook_scripts import (
    migrate_from_databricks,
    migrate_to_databricks,
)
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

USAGE = 2
PLACE = ("--catalog", "kmflow", "--schema", "acme", "--volume", "raw_evidence")
SCRIPTS = Path(kmflow_orchestration.__file__).parents[1] / "scripts"


def script(name: str) -> ModuleType:
    """A script as a module: `python scripts/…` runs the function it imports."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    file = tmp_path / "evidence_store" / "e1" / "deadbeef_a.csv"
    file.parent.mkdir(parents=True)
    file.write_text("a")
    return tmp_path / "evidence_store"


def test_there_and_back_with_the_runbooks_flags(
    kmflow: Kmflow, on_workspace: Room, tree: Path, tmp_path: Path
) -> None:
    assert kmflow("provision", "--group", "acme").code == 0
    there: Callable[..., int] = script("migrate_to_databricks").migrate_to_databricks
    back: Callable[..., int] = script("migrate_from_databricks").migrate_from_databricks
    assert (there, back) == (migrate_to_databricks, migrate_from_databricks)
    source = ("--source-dir", str(tree), *PLACE)

    assert there((*source, "--dry-run")) == 0
    assert there((*source, "--backfill-metadata")) == 0
    assert back((*PLACE, "--target-dir", str(tmp_path / "back"))) == 0

    (fetched,) = (tmp_path / "back").rglob("*_a.csv")
    assert fetched.read_text() == "a"
    assert kmflow("verify", "migration", "--group", "acme", "--source-dir", str(tree)).code == 0


def test_an_unclear_group_is_asked_for(
    kmflow: Kmflow, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("acme", "globex"):
        assert kmflow("group", "create", name, "catalog=kmflow", f"schema={name}").code == 0

    assert migrate_to_databricks(["--source-dir", str(tree), "--catalog", "kmflow"]) == USAGE
    assert "acme, globex" in capsys.readouterr().err
    assert migrate_to_databricks(["--source-dir", str(tree), "--catalog=elsewhere"]) == USAGE
    assert "none" in capsys.readouterr().err
