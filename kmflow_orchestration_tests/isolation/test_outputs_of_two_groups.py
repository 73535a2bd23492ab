"""Row A18, the founding document's scenarios: two groups at once, each in its own Volume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import Room, fresh_room
from kmflow_orchestration_tests.output_world import MOMENT, OutputWorld

RUNS = 200
GROUPS = ("acme", "globex")


@pytest.fixture(scope="module", params=["local", "databricks"])
def written(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    control_databases: ControlDatabases,
) -> Iterator[OutputWorld]:
    """Both groups after all runs, 16 at a time; the tests only look."""
    room = None
    if request.param == "databricks":
        room = fresh_room(request.getfixturevalue("embedded_server"))
    home = tmp_path_factory.mktemp("outputs")
    address = control_databases.new(home / "control.db")
    with OutputWorld(home, room=room, database_url=address) as world:
        for group in GROUPS:
            world.group(group)
        with ThreadPoolExecutor(16) as threads:
            for done in [threads.submit(write, world, number) for number in range(RUNS)]:
                done.result()
        yield world


def write(world: OutputWorld, number: int) -> None:
    """The same task in the same execution, for one group or the other."""
    group = GROUPS[number % 2]
    execution = Execution(f"run-{number // 2}", MOMENT)
    world.write(group, {"of": group, "number": number}, run=execution)


def test_two_groups_at_once_keep_to_their_own_volumes(written: OutputWorld) -> None:
    owners = Counter()
    for path, content in written.on_disk().items():
        owner = json.loads(content)["of"]
        own = f"users/{owner}/outputs/" if written.room else f"{owner}/users/{owner}/outputs/"
        assert path.startswith(own)
        owners[owner] += 1
    assert owners == {"acme": RUNS / 2, "globex": RUNS / 2}


def test_every_record_is_under_its_own_group(written: OutputWorld) -> None:
    told = Counter(one.file.group_id for one in written.uploaded)
    assert told == {"acme": RUNS / 2, "globex": RUNS / 2}
    for one in written.uploaded:
        group = one.file.group_id
        assert one.path.startswith(f"/Volumes/users/{group}/outputs/")
        assert written.context.output_files.find(group, one.path) == one.file
        neighbour = GROUPS[1 - GROUPS.index(group)]
        assert written.context.output_files.find(neighbour, one.path) is None


def test_there_is_one_client_a_group(written: OutputWorld) -> None:
    assert written.context.clients.built == (2 if written.room else 0)


def test_settings_saved_meanwhile_hold_from_the_next_output_on(room: Room, tmp_path: Path) -> None:
    with OutputWorld(tmp_path, room=room) as world:
        for group in GROUPS:
            world.group(group)
        write(world, 0)
        world.group("acme", volume_file_format="csv", volume_path="users.acme.tables")
        write(world, 2)
        write(world, 3)

        assert [one.path.rpartition("/run-")[0] for one in world.uploaded] == [
            "/Volumes/users/acme/outputs",
            "/Volumes/users/acme/tables",
            "/Volumes/users/globex/outputs",
        ]
        assert [one.file.file_format for one in world.uploaded] == ["json", "csv", "json"]
        assert world.context.clients.built == 3
