"""`kmflow backup`, `kmflow restore`: all is lost but lakehouse and backup, and work goes on."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.postgres_server import PostgresServer

pytestmark = pytest.mark.journey

ACME = GroupId("acme")
FILES = {"e1/loans.csv": "id\n1\n", "e1/copy of loans.csv": "id\n1\n", "e1/notes.txt": "words"}


def drop(home: Path) -> None:
    """Three files in landing, as a client would drop them, or drop them again."""
    for name, text in FILES.items():
        path = home / "landing" / ACME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_000_000_000, 1_000_000_000))


def taken_in() -> tuple[int, int]:
    """Look, store, write rows: how many files were stored, and rows written."""
    with Context(load_settings()) as context:
        context.migrate()
        acme = context.group(ACME)
        today = utc_day(context.clock.now())
        sweep_all(ACME, acme.landing_root, ledger=context.ledger, clock=context.clock)
        batch = store_batch(ACME, today, **acme.storing())
        if batch is None or not batch.stored:
            return 0, 0
        provision(acme.config, acme.lakehouse, None)
        return len(batch.stored), publish_bronze(ACME, today, **acme.recording()).rows


def kept(home: Path) -> dict[str, bytes]:
    """Every file of lakehouse and evidence store."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for part in ("lakehouse", "evidence_store")
        for path in sorted((home / part).rglob("*"))
        if path.is_file()
    }


def run_names(home: Path) -> list[str]:
    """Runs that Dagster knows."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return [run.job_name for run in instance.get_runs()]


@pytest.fixture
def worked(kmflow: Kmflow, groups_file: Callable[..., str], home: Path) -> Path:
    """A home with a stored batch and a run in Dagster's storage."""
    assert kmflow("group", "import", groups_file()).code == 0
    drop(home)
    assert taken_in() == (3, 3)
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    @dg.job
    def nightly() -> None:
        """Does nothing."""

    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert nightly.execute_in_process(instance=instance).success
    return home


@pytest.fixture
def used(kmflow: Kmflow, groups_file: Callable[..., str], home: Path) -> Path:
    """A home with a group, an item's row, and something in Dagster's storage."""
    assert kmflow("group", "import", groups_file()).code == 0
    storage = home / "dagster" / "storage"
    storage.mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with closing(sqlite3.connect(storage / "runs.db")) as runs:
        runs.execute("CREATE TABLE runs (name TEXT)")
    return home


@pytest.mark.sqlite
def test_all_is_lost_but_lakehouse_and_backup_and_work_goes_on(
    worked: Path, kmflow: Kmflow, tmp_path: Path
) -> None:
    file = tmp_path / "backups" / "monday.kmflow"
    made = kmflow("backup", "--to", str(file), "--json")
    assert (made.code, oct(file.stat().st_mode & 0o777)) == (0, "0o600")
    before = kept(worked)
    for name in [path.name for path in worked.iterdir()]:
        if name not in {"lakehouse", "evidence_store"}:
            lost = worked / name
            shutil.rmtree(lost) if lost.is_dir() else lost.unlink()

    restored = kmflow("restore", "--from", str(file), "--json")
    drop(worked)

    assert (restored.code, restored.json["kept"]) == (0, [])
    assert taken_in() == (0, 0)
    assert kept(worked) == before
    assert run_names(worked) == ["nightly"]
    listed = kmflow("evidence", "list", "--group", "acme", "--json").json["evidence"]
    assert sorted(one["name"] for one in listed) == sorted(
        name.rpartition("/")[2] for name in FILES
    )
    assert [path.name for path in worked.iterdir() if path.name.startswith(".")] == []


@pytest.mark.sqlite
def test_it_goes_to_another_machine_and_leaves_no_trace_of_this_one(
    used: Path, kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.kmflow"
    monkeypatch.setenv("ACME_KEY", "canary-7f3a9c51")
    (used / "secrets").mkdir()
    (used / "secrets" / "key").write_text("canary-7f3a9c51")
    assert kmflow("backup", "--to", str(file)).code == 0
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("KMFLOW_HOME", str(elsewhere))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere-dagster"))

    planned = kmflow("restore", "--from", str(file), "--dry-run", "--json")
    assert (planned.json["dry_run"], elsewhere.exists()) == (True, False)
    assert kmflow("restore", "--from", str(file)).code == 0

    assert kmflow("group", "list", "--json").json["groups"][0]["group"] == "acme"
    assert (tmp_path / "elsewhere-dagster" / "dagster.yaml").is_file()
    assert b"canary-7f3a9c51" not in gzip.decompress(file.read_bytes())


@pytest.mark.sqlite
def test_a_home_that_is_in_use_is_not_overwritten_unasked(
    used: Path, kmflow: Kmflow, tmp_path: Path
) -> None:
    file = tmp_path / "b.kmflow"
    assert kmflow("backup", "--to", str(file)).code == 0
    assert kmflow("group", "set", "acme", "schema=other").code == 0

    refused = kmflow("restore", "--from", str(file))
    assert (refused.code, "would be overwritten" in refused.err) == (1, True)
    assert "--overwrite" in refused.err
    forced = kmflow("restore", "--from", str(file), "--overwrite", "--json")

    aside = [Path(path) for path in forced.json["kept"]]
    assert {path.name.partition(".before-")[0] for path in aside} >= {"control.db", "dagster"}
    assert all(path.exists() for path in aside)
    assert kmflow("group", "show", "acme", "--json").json["schema"] == "acme"


@pytest.mark.sqlite
def test_a_backup_is_of_one_moment_while_others_write(
    used: Path, kmflow: Kmflow, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(used / "control.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM databricks_configs")
        assert kmflow("backup", "--to", str(tmp_path / "b.kmflow")).code == 0
        writer.rollback()
    with tarfile.open(tmp_path / "b.kmflow") as archive:
        archive.extract("control.db", tmp_path / "out", filter="data")
    with closing(sqlite3.connect(tmp_path / "out" / "control.db")) as copy:
        assert copy.execute("SELECT COUNT(*) FROM databricks_configs").fetchone() == (1,)


@pytest.mark.sqlite
def test_a_file_that_is_there_stays_and_nothing_half_written_does(
    used: Path, kmflow: Kmflow, tmp_path: Path
) -> None:
    file = tmp_path / "b.kmflow"
    file.write_text("precious")
    found = kmflow("backup", "--to", str(file))
    (used / "control.db").write_bytes(b"no database at all" * 1000)
    broken = kmflow("backup", "--to", str(tmp_path / "c.kmflow"))

    assert (found.code, file.read_text(), "is there already" in found.err) == (1, "precious", True)
    assert (broken.code, "control.db cannot be copied" in broken.err) == (1, True)
    left = {path.name for path in tmp_path.iterdir() if "kmflow" in path.name}
    assert left == {"b.kmflow"}


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A backup with other members."""
    with tarfile.open(file) as archive:
        members = {
            one.name: stream.read() for one in archive if (stream := archive.extractfile(one))
        }
    change(members)
    target = file.with_name("changed.kmflow")
    with tarfile.open(target, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def _damaged(members: dict[str, bytes]) -> None:
    members["control.db"] = members["control.db"][:-1] + b"x"


def _short(members: dict[str, bytes]) -> None:
    del members["control.db"]


def _climbing(members: dict[str, bytes]) -> None:
    members["../evil"] = b"x"


def _retold(files: dict[str, bytes], **fields: Any) -> None:
    told = {**json.loads(files["manifest.json"]), **fields}
    files["manifest.json"] = json.dumps(told).encode()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_damaged, (1, "control.db is not what was backed up")),
        (_short, (1, "lacks control.db")),
        (_climbing, (1, "'../evil' does not belong into a backup")),
        (lambda files: _retold(files, format=99), (1, "has format 99")),
        (lambda files: _retold(files, revision="9999"), (3, "at revision 9999")),
        (lambda files: _retold(files, members="x"), (1, "is not whole")),
    ],
    ids=["damaged", "short", "climbing", "format", "revision", "manifest"],
)
def test_a_backup_that_is_not_good_changes_nothing(
    used: Path,
    kmflow: Kmflow,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    expected: tuple[int, str],
) -> None:
    assert kmflow("backup", "--to", str(tmp_path / "b.kmflow")).code == 0
    bad = rewritten(tmp_path / "b.kmflow", change)
    before = {path: path.stat().st_mtime_ns for path in used.rglob("*.db")}

    found = kmflow("restore", "--from", str(bad), "--overwrite")

    code, words = expected
    assert (found.code, words in found.err) == (code, True), found.err
    assert {path: path.stat().st_mtime_ns for path in used.rglob("*.db")} == before
    assert not (tmp_path / "evil").exists()


def test_what_is_no_backup_is_told(kmflow: Kmflow, tmp_path: Path, home: Path) -> None:
    (tmp_path / "words.txt").write_text("words")
    assert (
        "cannot be read as a backup" in kmflow("restore", "--from", str(tmp_path / "words.txt")).err
    )
    assert "there is no file" in kmflow("restore", "--from", str(tmp_path / "none")).err


@pytest.mark.sqlite
def test_without_a_control_database_there_is_nothing_to_back_up(
    kmflow: Kmflow, tmp_path: Path, home: Path
) -> None:
    found = kmflow("backup", "--to", str(tmp_path / "b.kmflow"))
    assert (found.code, "there is no control database" in found.err) == (1, True)
    assert not home.exists()


@pytest.mark.sqlite
def test_postgresql_without_its_programs_is_told_with_what_to_install(
    kmflow: Kmflow, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMFLOW_DATABASE_URL", "postgresql://kmflow@127.0.0.1:9/kmflow")
    monkeypatch.setenv("PATH", "")
    found = kmflow("backup", "--to", str(tmp_path / "b.kmflow"))
    assert (found.code, "pg_dump is not installed" in found.err) == (3, True)
    assert "postgresql-client" in found.err


@pytest.mark.sqlite
def test_a_backup_of_files_does_not_go_into_a_server(
    used: Path, kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kmflow("backup", "--to", str(tmp_path / "b.kmflow")).code == 0
    monkeypatch.setenv("KMFLOW_DATABASE_URL", "postgresql://kmflow@127.0.0.1:9/kmflow")
    found = kmflow("restore", "--from", str(tmp_path / "b.kmflow"))
    assert (found.code, "a control database on SQLite" in found.err) == (3, True)


@pytest.fixture
def programs(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    """The server, whose own `pg_dump` and `pg_restore` are the first on PATH."""
    monkeypatch.setenv("PATH", str(postgres_server.programs), prepend=os.pathsep)
    return postgres_server


@pytest.fixture
def elsewhere(home: Path, control_databases: ControlDatabases) -> str:
    """Address of an empty database."""
    return control_databases.unmigrated(home.parent / "elsewhere.db")


def test_postgresql_is_dumped_and_put_back_elsewhere(
    programs: PostgresServer,
    elsewhere: str,
    used: Path,
    kmflow: Kmflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tmp_path = used.parent
    shutil.rmtree(used / "dagster")
    file = tmp_path / "b.kmflow"
    assert kmflow("backup", "--to", str(file)).code == 0
    assert kmflow("group", "set", "acme", "schema=other").code == 0

    refused = kmflow("restore", "--from", str(file))
    monkeypatch.setenv("KMFLOW_DATABASE_URL", elsewhere)
    moved = kmflow("restore", "--from", str(file))

    assert (refused.code, "control database's tables would be" in refused.err) == (1, True)
    assert moved.code == 0, moved.err
    assert kmflow("group", "show", "acme", "--json").json["schema"] == "acme"
    assert programs.password.encode() not in gzip.decompress(file.read_bytes())
    again = kmflow("restore", "--from", str(file), "--overwrite")
    assert again.code == 0, again.err
