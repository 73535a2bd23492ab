"""Every method of a store of outputs, as acme with globex's paths, on either backend.

On this machine each group has a folder of its own, so that globex's path is a place of acme's; in
a workspace it is the workspace that refuses acme's principal. What our own rules refuse before
anything is asked is tried in `test_operations`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    GroupMismatch,
    PlaceNotAllowed,
    RemoteNotFound,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.browse_outputs import browse_outputs, delete_output
from kmflow_orchestration.storage.output_store import OutputStore
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.isolation.shared_world import SECRET_TEXT, called
from kmflow_orchestration_tests.output_world import OutputWorld

METHODS = sorted(
    name
    for name, _ in inspect.getmembers(OutputStore, inspect.isfunction)
    if not name.startswith("_")
)
REFUSED = {"local": RemoteNotFound, "databricks": AccessRefused}
# These answer about any path alike: an address, and on this machine a file of one's own.
HARMLESS = {"local": {"write", "view", "delete"}, "databricks": {"view"}}


@dataclass(frozen=True)
class Outputs:
    """Both groups' outputs; `path` is one of globex's."""

    world: OutputWorld
    path: VolumePath

    def of_globex(self) -> dict[str, bytes]:
        start = "users/globex/" if self.world.room else "globex/"
        found = self.world.on_disk().items()
        return {path: content for path, content in found if path.startswith(start)}


@pytest.fixture(scope="module", params=["local", "databricks"])
def outputs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    control_databases: ControlDatabases,
) -> Iterator[Outputs]:
    room = None
    if request.param == "databricks":
        room = fresh_room(request.getfixturevalue("embedded_server"))
    home = tmp_path_factory.mktemp("stores")
    address = control_databases.new(home / "control.db")
    with OutputWorld(home, room=room, database_url=address) as world:
        world.write("acme", "acme's own")
        world.write("globex", SECRET_TEXT, task="theirs")
        yield Outputs(world, VolumePath.parse(world.path("globex", task="theirs")))


@pytest.mark.parametrize("method", METHODS)
def test_a_neighbours_output_is_neither_seen_nor_changed(outputs: Outputs, method: str) -> None:
    before, told = outputs.of_globex(), list[str]()
    assert any(SECRET_TEXT.encode() in content for content in before.values())
    at_hand = {
        "path": outputs.path,
        "folder": VolumePath.parse(outputs.path.text.rpartition("/")[0]),
        "content": b"acme's",
        "known": lambda: None,
        "verify": "hash",
        "tell": told.append,
    }

    store = outputs.world.outbox("acme").store
    answer = called(method, getattr(store, method), at_hand)

    assert outputs.of_globex() == before
    assert SECRET_TEXT not in answer + "".join(told)
    if method not in HARMLESS[outputs.world.backend]:
        assert answer.startswith(REFUSED[outputs.world.backend].__name__), answer


def test_our_own_rules_refuse_before_anything_is_sent(outputs: Outputs) -> None:
    world, theirs = outputs.world, outputs.path.text
    acme = world.outbox("acme")
    for ask in (browse_outputs, delete_output):
        with pytest.raises(PlaceNotAllowed):
            ask(acme, theirs)
    if world.room is not None:
        with pytest.raises(GroupMismatch):
            world.write("acme", "x", volume_path="users.globex.outputs")
