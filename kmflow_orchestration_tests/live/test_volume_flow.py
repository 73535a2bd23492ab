"""A folder of a Volume, converted there and back: on the embedded workspace always, on a real one
where `KMFLOW_LIVE=1`, a profile and a Volume say so (row D44).

    KMFLOW_LIVE=1 DATABRICKS_CONFIG_PROFILE=dev KMFLOW_LIVE_VOLUME=/Volumes/main/tests/work \\
        make test ARGS='kmflow_orchestration_tests/live -n 0'
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from databricks.sdk.errors import NotFound

from kmflow_orchestration import notebook
from kmflow_orchestration.notebook import batch_convert, convert_file, setup_databricks
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.live.live_settings import (
    GROUP,
    PROFILE,
    SWITCH,
    VOLUME,
    LiveSettings,
    live_settings,
)

__all__ = ["embedded_server", "room"]

# As it was when the run began: what other tests set is not meant for this.
LIVE = live_settings(os.environ)
GIVEN = {SWITCH: "1", PROFILE: "dev", VOLUME: "/Volumes/main/tests/work"}
SOURCES = {"loans.csv": b"id,amount\n1,10.50\n2,\n", "notes.json": b'[{"id": 1, "text": "a"}]'}
TYPES = {"id": "int64", "amount": "decimal128(18, 2)"}


@dataclass
class Place:
    """A folder of this test's own in a Volume, and a client to look at it with."""

    client: Any
    folder: str

    def names(self, within: str = "") -> set[str]:
        listed = self.client.files.list_directory_contents(f"{self.folder}{within}")
        return {str(entry.name) for entry in listed}

    def upload(self, name: str, content: bytes) -> None:
        self.client.files.upload(f"{self.folder}/{name}", io.BytesIO(content), overwrite=True)

    def types(self, name: str) -> dict[str, str]:
        content = self.client.files.download(f"{self.folder}/{name}").contents.read()
        return {one.name: str(one.type) for one in pq.read_schema(io.BytesIO(content))}

    def remove(self, folder: str = "") -> None:
        """All of the folder, and nothing beside it."""
        folder = folder or self.folder
        try:
            for entry in list(self.client.files.list_directory_contents(folder)):
                if entry.is_directory:
                    self.remove(entry.path)
                else:
                    self.client.files.delete(entry.path)
            self.client.files.delete_directory(folder)
        except NotFound:
            return


@pytest.fixture(params=["embedded", "live"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Signed in, with a new folder; afterwards the folder is gone."""
    monkeypatch.setenv("KMFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    signed_in = _embedded if request.param == "embedded" else _live
    made = signed_in(request, monkeypatch)
    try:
        yield made
    finally:
        notebook._SETUP.use(None)
        made.remove()
    with pytest.raises(NotFound):
        made.names()


def _embedded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    room: Room = request.getfixturevalue("room")
    acme = room.group("kmflow")
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KMFLOW_ALLOW_INSECURE_LOOPBACK", "true")
    monkeypatch.setenv("DATABRICKS_HOST", room.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", acme.token)
    setup_databricks(group="acme", catalog="kmflow", schema="main")
    return Place(acme.client(), _new_folder("/Volumes/kmflow/main/evidence"))


def _live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    if not isinstance(LIVE, LiveSettings):
        pytest.skip(LIVE)
    from databricks.sdk import WorkspaceClient

    catalog, schema = LIVE.place
    setup_databricks(profile=LIVE.profile, group=LIVE.group, catalog=catalog, schema=schema)
    return Place(WorkspaceClient(profile=LIVE.profile), _new_folder(LIVE.volume))


def _new_folder(volume: str) -> str:
    return f"{volume}/kmflow-test-{uuid4().hex}"


def test_a_volumes_folder_is_converted_once_and_is_what_it_would_be_here(
    place: Place, tmp_path: Path
) -> None:
    for name, content in SOURCES.items():
        place.upload(f"in/{name}", content)
        (tmp_path / name).write_bytes(content)

    first = batch_convert(f"{place.folder}/in", f"{place.folder}/out", parallel=1)
    again = batch_convert(f"{place.folder}/in", f"{place.folder}/out", parallel=1)
    here = convert_file(f"{place.folder}/in/loans.csv", tmp_path / "here.parquet")

    assert [one.error for one in (*first.results, *again.results)] == ["", "", "", ""]
    assert {one.status for one in again.results} == {"unchanged"}
    made = {"loans.parquet", "notes.parquet"}
    assert place.names("/out") == made | {f"_{name}.manifest.json" for name in made}
    assert place.names("/in") == set(SOURCES)
    assert place.types("out/loans.parquet") == TYPES
    assert pq.read_table(here).equals(pq.read_table(convert_file(tmp_path / "loans.csv")))


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ({SWITCH: ""}, "KMFLOW_LIVE is not 1"),
        ({SWITCH: "true"}, "KMFLOW_LIVE is not 1"),
        ({PROFILE: ""}, "DATABRICKS_CONFIG_PROFILE names no profile"),
        ({VOLUME: ""}, "KMFLOW_LIVE_VOLUME names no Volume"),
        ({VOLUME: "/Volumes/main/tests"}, "KMFLOW_LIVE_VOLUME names no Volume"),
        ({VOLUME: "/Volumes/main//work"}, "KMFLOW_LIVE_VOLUME names no Volume"),
    ],
    ids=["off", "other", "profile", "volume", "schema", "blank"],
)
def test_a_real_workspace_is_used_only_where_everything_is_said(
    lacking: dict[str, str], why: str
) -> None:
    assert str(live_settings({**GIVEN, **lacking})).startswith(why)


def test_what_is_said_is_taken() -> None:
    found = live_settings({**GIVEN, VOLUME: "/Volumes/main/tests/work/", GROUP: "acme"})

    assert isinstance(found, LiveSettings)
    assert (found.profile, found.volume, found.group) == ("dev", "/Volumes/main/tests/work", "acme")
    assert found.place == ("main", "tests")
