"""The helpers with places in Volumes, signed in to or mounted (row D16)."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from databricks.sdk.service.catalog import VolumeType

from kmflow_orchestration import notebook
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.errors import (
    ConfigurationError,
    InvalidOptions,
    KmflowError,
    MissingGroup,
    PlaceNotAllowed,
    UnsafePath,
)
from kmflow_orchestration.notebook import batch_convert, convert_file, setup_databricks
from kmflow_orchestration.operations.volume_conversion.own_volumes import own_volumes
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes
from kmflow_orchestration.storage.volume_access import MountedVolumes
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, loans

__all__ = ["embedded_server", "loans", "room"]

WORK = "/Volumes/kmflow/main/evidence"
OURS = ("DATABRICKS_", "KMFLOW_", "PYFORGE_", "IS_SERVERLESS", "USE_DATABRICKS")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the environment, no profiles, and what a test sets up is forgotten."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("KMFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none.cfg"))
    monkeypatch.setenv("KMFLOW_ALLOW_INSECURE_LOOPBACK", "true")
    yield
    notebook._SETUP.use(None)


@pytest.fixture
def signed_in(room: Room) -> Room:
    """The notebook's owner signed in as acme, whose schema is another than the file's."""
    acme = room.group("kmflow")
    acme.upload("in/loans.csv", LOANS.encode())
    with pytest.warns(UserWarning, match="token in a cell"):
        setup_databricks(room.url, acme.token, group="acme", catalog="kmflow", schema="acme")
    return room


def test_a_volumes_file_is_converted_by_its_path(signed_in: Room) -> None:
    assert convert_file(f"dbfs:{WORK}/in/loans.csv") == f"{WORK}/in/loans.parquet"

    content = signed_in.group("kmflow").client().files.download(f"{WORK}/in/loans.parquet")
    assert io.BytesIO(content.contents.read()).read(4) == b"PAR1"


def test_a_folder_goes_into_a_volume_and_only_once(signed_in: Room, loans: Path) -> None:
    first = batch_convert(loans.parent, f"{WORK}/out")
    again = batch_convert(str(loans.parent), f"{WORK}/out")

    assert first == again == [f"{WORK}/out/loans.parquet"]
    assert [one.status for one in (*first.results, *again.results)] == ["converted", "unchanged"]


def test_a_file_and_a_folder_become_tables(room: Room, loans: Path) -> None:
    acme = room.group("kmflow")
    acme.client().volumes.create("kmflow", "main", "raw_evidence", VolumeType.MANAGED)
    with pytest.raises(ConfigurationError, match="whose tables they are"):
        convert_file(loans, format_type="delta", table="kmflow.main.loans")
    with pytest.warns(UserWarning, match="token in a cell"):
        setup_databricks(room.url, acme.token, group="acme", catalog="kmflow", schema="main")

    one = convert_file(loans, format_type="delta", table="kmflow.main.loans")
    done = batch_convert(loans.parent, format_type="delta", table="kmflow.main")

    assert (one, done, done.results[0].status) == (one, [one], "unchanged")
    assert one == "kmflow.main.loans"
    columns = acme.client().tables.get(one).columns
    assert columns is not None
    assert [column.type_text for column in columns] == ["bigint", "string", "decimal(18,2)", "date"]
    with pytest.raises(InvalidOptions, match="is for files"):
        convert_file(loans, "a.parquet", format_type="delta", table="kmflow.main.loans")


def test_a_place_in_another_catalog_is_refused(signed_in: Room) -> None:
    with pytest.raises(PlaceNotAllowed):
        convert_file("/Volumes/other/main/evidence/a.csv")
    with pytest.raises(UnsafePath):
        convert_file("s3://bucket/a.csv")


def test_without_a_setup_it_is_said_what_to_do(loans: Path) -> None:
    with pytest.raises(ConfigurationError, match="nobody has said") as refused:
        convert_file(loans, f"{WORK}/out/")
    assert refused.value.hint == "call setup_databricks first"


def test_a_setup_needs_a_group_and_tells_all_that_is_missing_at_once() -> None:
    with pytest.raises(MissingGroup):
        setup_databricks(profile="dev")
    with pytest.raises(ConfigurationError, match="DATABRICKS_CATALOG, DATABRICKS_SCHEMA"):
        setup_databricks(group="acme")


def test_environment_and_default_group_are_enough(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = room.group("kmflow")
    path = acme.upload("in/loans.csv", LOANS.encode())
    for name, value in {
        "KMFLOW_DEFAULT_GROUP": "acme",
        "DATABRICKS_HOST": room.url,
        "DATABRICKS_TOKEN": acme.token,
        "DATABRICKS_CATALOG": "kmflow",
        "DATABRICKS_SCHEMA": "acme",
    }.items():
        monkeypatch.setenv(name, value)

    setup_databricks()

    assert convert_file(path).endswith("/in/loans.parquet")


def test_a_token_that_is_missing_is_asked_for_and_only_then(room: Room) -> None:
    acme, asked = room.group("kmflow"), []

    def answer(question: str) -> str:
        asked.append(question)
        return acme.token

    options = {"host": room.url, "catalog": "kmflow", "schema": "acme"}
    for token in ("", acme.token):
        _, connections = own_volumes(
            load_settings(), group="acme", options=options, token=token, ask=answer
        )
        connections.close()

    assert asked == [f"Token for {room.url}: "]
    assert acme.token not in str(asked)


def test_in_production_a_token_as_it_is_is_refused(room: Room) -> None:
    settings = load_settings(environment="production")
    with pytest.raises(ConfigurationError, match="refused in production") as refused:
        own_volumes(settings, group="acme", token="dapi-canary-9")
    assert "canary" not in str(refused.value)


def test_a_mounted_volume_is_used_as_it_is(tmp_path: Path, loans: Path) -> None:
    (tmp_path / "mount" / "kmflow" / "main" / "evidence").mkdir(parents=True)
    notebook._SETUP.use(Volumes(MountedVolumes(tmp_path / "mount")))

    assert convert_file(loans, f"{WORK}/out/") == f"{WORK}/out/loans.parquet"
    folder = tmp_path / "mount" / "kmflow" / "main" / "evidence" / "out"
    assert {path.name for path in folder.iterdir()} == {
        *("loans.parquet", "_loans.parquet.manifest.json"),
    }
    with pytest.raises(KmflowError, match="there already"):
        convert_file(loans, f"{WORK}/out/")


def test_what_is_set_up_stays_in_memory_unless_it_is_to_be_saved(
    room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    acme = room.group("kmflow")
    path = acme.upload("in/loans.csv", LOANS.encode())
    monkeypatch.setattr("getpass.getpass", lambda _: acme.token)
    where = {"group": "acme", "catalog": "kmflow", "schema": "main"}

    setup_databricks(room.url, **where)
    assert not (tmp_path / "none.cfg").exists()
    assert not (tmp_path / "user").exists()
    setup_databricks(room.url, **where, save=True)

    profile = f"[kmflow]\nhost = {room.url}\ntoken = {acme.token}\n"
    assert (tmp_path / "none.cfg").read_text() == profile
    assert (tmp_path / "none.cfg").stat().st_mode & 0o777 == 0o600
    defaults = (tmp_path / "user" / ".kmflow" / "databricks.yaml").read_text()
    assert acme.token not in defaults
    notebook._SETUP.use(None)
    setup_databricks(group="acme")  # nothing but what was saved
    assert convert_file(path) == f"{WORK}/in/loans.parquet"
    assert convert_file(path, "vol:evidence/out/b.jsonl") == f"{WORK}/out/b.jsonl"


def test_the_users_file_gives_defaults_to_the_helpers(
    tmp_path: Path, loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("compression: gzip\ndefault_catalog: kmflow\ndefault_schema: main\n")
    monkeypatch.setenv("KMFLOW_CONFIG", str(own))

    def compression(path: str) -> str:
        return str(pq.ParquetFile(path).metadata.row_group(0).column(0).compression)

    assert compression(convert_file(loans)) == "GZIP"
    assert compression(convert_file(loans, compression="lz4", force=True)) == "LZ4"
    assert compression(batch_convert(loans.parent, tmp_path / "out")[0]) == "GZIP"
    own.write_text("parallel: 0\n")
    with pytest.raises(ConfigurationError, match=r"own.yaml:1: parallel: must be from 1 to 32"):
        convert_file(loans, force=True)
