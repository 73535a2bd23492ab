"""Evidence over HTTP, from every backend: lists, items, bytes (rows B28, B34)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.operations.delete_evidence import delete_evidence
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import embedded_server, fresh_room
from kmflow_orchestration_tests.service.evidence_world import (
    ACME,
    BACKENDS,
    GLOBEX,
    EvidenceWorld,
    opened_world,
)

__all__ = ["embedded_server"]

# One world for the module: its tests stay together in one worker.
pytestmark = pytest.mark.xdist_group("service_evidence")

ITEM = "/api/v1/evidence/"
NOT_INTACT, AWAY = "KM-EVIDENCE-003", "KM-REMOTE-015"
BIG = b"one line of many\n" * 200_000


@pytest.fixture(scope="module")
def world(tmp_path_factory, embedded_server, control_databases) -> Iterator[EvidenceWorld]:
    home = tmp_path_factory.mktemp("evidence")
    url = control_databases.new(home / "control.db")
    with opened_world(home, fresh_room(embedded_server), url) as made:
        yield made


@pytest.fixture
def workspace(world: EvidenceWorld) -> Iterator[EvidenceWorld]:
    """A world whose workspace may fail."""
    yield world
    world.room.server.faults.clear()


def cut(world: EvidenceWorld, item: Item) -> int:
    """Bytes that come before a download breaks off."""
    got = 0
    with streamed(world, item) as answer:
        assert answer.status_code == 200
        chunks = answer.iter_raw()
        try:
            for chunk in chunks:
                got += len(chunk)
        except httpx.RemoteProtocolError:
            return got
    raise AssertionError(f"{got} bytes came, and nothing said that they are not all")


def streamed(world: EvidenceWorld, item: Item) -> AbstractContextManager[httpx.Response]:
    address = f"{ITEM}{item.item_id}/download"
    return world.client.stream("GET", address, headers=world.tokens[ACME])


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_item_and_its_bytes_come_from_its_own_backend(
    world: EvidenceWorld, backend: str
) -> None:
    content = f"id\nof {backend}\n".encode()
    item = world.store(f"loans-{backend}.csv", content, backend=backend)

    told = world.get(f"{ITEM}{item.item_id}").json()
    answer = world.download(item)

    assert {name: told[name] for name in ("id", "backend", "sha256", "state", "size_bytes")} == {
        "id": item.item_id,
        "backend": backend,
        "sha256": hashlib.sha256(content).hexdigest(),
        "state": "stored",
        "size_bytes": len(content),
    }
    assert told["fragment_count"] is None
    assert (answer.status_code, answer.content) == (200, content)
    headers = answer.headers
    assert headers["content-type"] == item.media_type
    assert headers["content-disposition"].startswith(f'attachment; filename="loans-{backend}.csv"')
    assert (headers["x-content-type-options"], headers["accept-ranges"]) == ("nosniff", "none")
    assert headers["etag"] == f'"{item.content_hash}"'
    assert world.downloads(item) == [""]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_big_file_comes_whole_and_one_with_other_bytes_is_cut_and_noted(
    world: EvidenceWorld, backend: str
) -> None:
    content = backend.encode() + b"\n" + BIG
    item = world.store(f"big-{backend}.txt", content, backend=backend, engagement="big")
    assert world.download(item).content == content

    for wrong in (content[:-1] + b"x", content[:-1], content + b"x"):
        world.replace(item, wrong)
        assert 0 < cut(world, item) < len(content)

    assert world.downloads(item) == ["", *["", NOT_INTACT] * 3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_small_file_with_other_bytes_or_none_is_no_answer_at_all(
    world: EvidenceWorld, backend: str
) -> None:
    content = f"id\n{backend}\n".encode()
    item = world.store(f"small-{backend}.csv", content, backend=backend, engagement="small")
    world.replace(item, content.swapcase())
    other = world.download(item)
    world.group(backend).store.delete(item.stored_path)
    missing = world.download(item)

    for answer in (other, missing):
        assert (answer.status_code, answer.json()["error"]) == (502, NOT_INTACT)
    assert "other bytes" in other.json()["detail"]
    assert "not in backend" in missing.json()["detail"]
    assert world.downloads(item) == [NOT_INTACT, NOT_INTACT]


def test_another_groups_item_is_as_unknown_as_none(world: EvidenceWorld) -> None:
    theirs = world.store("theirs.csv", b"id\ntheirs\n", group=GLOBEX)
    nobodys = "00000000-0000-4000-8000-000000000000"

    for tail in ("", "/download"):
        answers = [world.get(f"{ITEM}{one}{tail}") for one in (theirs.item_id, nobodys)]
        assert {one.status_code for one in answers} == {404}
        told = {one.text.replace(theirs.item_id, nobodys) for one in answers}
        assert len(told) == 1
        assert "KM-EVIDENCE-001" in told.pop()
    assert world.downloads(theirs) == []
    assert world.download(theirs, GLOBEX).content == b"id\ntheirs\n"


def test_nobody_downloads_without_a_token(world: EvidenceWorld) -> None:
    item = world.store("mine.csv", b"id\n1\n", engagement="mine")
    for tail in ("", item.item_id, f"{item.item_id}/download"):
        assert world.client.get(f"{ITEM}{tail}").status_code == 401
    assert world.downloads(item) == []


def test_a_workspace_that_is_away_is_503_and_the_other_backends_answer(
    workspace: EvidenceWorld,
) -> None:
    here = workspace.store("here.csv", b"id\nhere\n", engagement="away")
    there = workspace.store("there.csv", b"id\nthere\n", backend="databricks", engagement="away")
    workspace.room.server.faults.add(Fault("unavailable", path="*/fs/files/*", times=99))

    answer = workspace.download(there)

    assert (answer.status_code, answer.json()["error"]) == (503, AWAY)
    assert workspace.downloads(there) == [AWAY]
    assert workspace.download(here).status_code == 200
    assert workspace.get(f"{ITEM}{there.item_id}").json()["backend"] == "databricks"


def test_a_workspace_that_goes_away_meanwhile_cuts_the_answer(workspace: EvidenceWorld) -> None:
    item = workspace.store("cut.txt", b"cut\n" + BIG, backend="databricks", engagement="cut")
    faults = workspace.room.server.faults
    faults.add(Fault("cut_body", path="*/fs/files/*", keep_bytes=2_500_000))
    faults.add(Fault("unavailable", path="*/fs/files/*", times=99))

    assert 0 < cut(workspace, item) < 2_500_000

    assert workspace.downloads(item) == ["", AWAY]


@pytest.mark.parametrize(
    "name", ['a "b"; c.csv', "Kredite Übersicht €.csv", "50% off.csv", "名前.csv"]
)
def test_a_file_keeps_its_name_whatever_it_is(world: EvidenceWorld, name: str) -> None:
    item = world.store(name, f"id\n{name}\n".encode(), engagement="names")

    told = world.download(item).headers["content-disposition"]

    assert httpx.URL(f"http://x/?n={told.rpartition(chr(39))[2]}").params["n"] == name
    assert world.get(f"{ITEM}{item.item_id}").json()["file_name"] == name


@pytest.mark.parametrize("name", ["page.html", "drawing.svg"])
def test_what_could_run_in_a_browser_is_only_ever_saved(world: EvidenceWorld, name: str) -> None:
    text = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    if name.endswith("html"):
        text = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"
    headers = world.download(world.store(name, text, engagement="active")).headers

    assert headers["content-disposition"].startswith("attachment;")
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"


def test_an_item_that_was_deleted_is_told_and_not_handed_out(world: EvidenceWorld) -> None:
    item = world.store("gone.csv", b"id\ngone\n", engagement="gone")
    ann = caller_of("ann@kmflow.test", (ACME,), Role.ADMIN)
    delete_evidence(ACME, item.item_id, caller=ann, **world.group().deleting())

    answer = world.download(item)

    assert (answer.status_code, answer.json()["error"]) == (410, "KM-EVIDENCE-002")
    told = world.get(f"{ITEM}{item.item_id}").json()
    assert (told["state"] in {"deleting", "deleted"}, told["fragment_count"]) == (True, 0)
    assert world.downloads(item) == []


def test_a_list_has_pages_and_is_of_the_tokens_group_alone(world: EvidenceWorld) -> None:
    for number in range(3):
        world.store(f"{number}.csv", f"id\n{number}\n".encode(), engagement="pages")
        world.clock.advance(1)
    world.store("other.csv", b"id\nother\n", engagement="globexs", group=GLOBEX)

    whole = world.get(ITEM, params={"engagement_id": "pages"}).json()
    page = world.get(ITEM, params={"engagement_id": "pages", "limit": 1, "offset": 1}).json()
    every = world.get("/api/v1/evidence", params={"limit": 200}).json()
    theirs = world.get(ITEM, params={"group_id": "acme", "limit": 200}, group=GLOBEX).json()

    assert [one["file_name"] for one in whole["items"]] == ["2.csv", "1.csv", "0.csv"]
    assert (page["items"], page["total"]) == ([whole["items"][1]], 3)
    assert every["total"] == len(every["items"]) >= 3
    assert {one["engagement_id"] for one in theirs["items"]} <= {"e1", "globexs"}
    assert world.get(f"{ITEM}pages").json() == whole  # AB-S8


def test_an_engagement_of_another_group_is_unknown_and_limits_hold(world: EvidenceWorld) -> None:
    world.store("other.csv", b"id\nother\n", engagement="globexs", group=GLOBEX)
    answers = [world.get(ITEM, params={"engagement_id": one}) for one in ("globexs", "nobodys")]
    assert [one.status_code for one in answers] == [404, 404]
    assert {one.json()["error"] for one in answers} == {"KM-CONFIG-009"}
    assert world.get(f"{ITEM}globexs").json()["error"] == "KM-EVIDENCE-001"

    for wrong in ({"limit": 0}, {"limit": 201}, {"offset": -1}, {"limit": "many"}):
        assert world.get(ITEM, params=wrong).status_code == 422


def test_a_client_that_goes_away_leaves_no_file_open(world: EvidenceWorld) -> None:
    item = world.store("left.txt", b"left\n" + BIG * 8, engagement="left")
    path = str(world.group().local_store().local_path(item.stored_path))

    def is_open() -> bool:
        return any(path == where(one) for one in Path("/proc/self/fd").iterdir())

    with streamed(world, item) as answer:
        chunks = answer.iter_raw()  # which would hang up, were it not kept
        next(chunks)
        assert is_open()

    deadline = time.monotonic() + 10
    while is_open() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_open()


def where(descriptor: Path) -> str:
    """What an open file is; '' when it was closed meanwhile."""
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""
