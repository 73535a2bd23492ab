"""Links that carry their own credential: downloads, and uploads in parts, as newer SDKs ask for.

The SDK of this environment knows neither, so the requests are written out here; `make
test-newest-sdk` lets the newest SDK ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from xml.etree import ElementTree as ET

import httpx
import pytest

from kmflow_orchestration.clock import iso
from kmflow_orchestration_tests.embedded import GroupInRoom, Room
from kmflow_orchestration_tests.fakes import FakeClock

SOON = "2126-01-01T00:00:00Z"
PARTS = {1: b"a" * 5, 2: b"b" * 7, 3: b"c"}


class Client:
    """Requests of one principal; links are followed without its token."""

    def __init__(self, group: GroupInRoom) -> None:
        self.volume = group.volume
        token = {"Authorization": f"Bearer {group.token}"}
        self.known = httpx.Client(base_url=group.host, headers=token)
        self.unknown = httpx.Client()

    def close(self) -> None:
        self.known.close()
        self.unknown.close()

    def link(self, path: str, expires: str = SOON) -> httpx.Response:
        query = {"path": f"{self.volume}/{path}", "expire_time": expires}
        return self.known.post("/api/2.0/fs/create-download-url", params=query)

    def download(self, path: str, **headers: str) -> httpx.Response:
        return self.unknown.get(self.link(path).json()["url"], headers=headers)

    def act(self, path: str, action: str, body: object = None, **query: str) -> httpx.Response:
        url = f"/api/2.0/fs/files{self.volume}/{path}"
        return self.known.post(url, params={"action": action, **query}, json=body)

    def begin(self, path: str, overwrite: str = "true") -> str:
        begun = self.act(path, "initiate-upload", overwrite=overwrite)
        return str(begun.json()["multipart_upload"]["session_token"])

    def ask(self, what: str, path: str, session: str, **more: object) -> httpx.Response:
        body = {"path": f"{self.volume}/{path}", "session_token": session, "expire_time": SOON}
        return self.known.post(f"/api/2.0/fs/{what}", json={**body, **more})

    def part_url(self, path: str, session: str, number: int) -> str:
        told = self.ask("create-upload-part-urls", path, session, start_part_number=number, count=1)
        return str(told.json()["upload_part_urls"][0]["url"])

    def put(self, path: str, session: str, number: int, content: bytes) -> dict[str, object]:
        answer = self.unknown.put(self.part_url(path, session, number), content=content)
        return {"part_number": number, "etag": answer.headers["etag"]}

    def complete(self, path: str, session: str, parts: list[dict[str, object]]) -> httpx.Response:
        query = {"upload_type": "multipart", "session_token": session}
        return self.act(path, "complete-upload", {"parts": parts}, **query)


@pytest.fixture
def client(acme: GroupInRoom) -> Iterator[Client]:
    opened = Client(acme)
    yield opened
    opened.close()


def stored(room: Room, group: GroupInRoom) -> list[str]:
    """Everything on disk of a workspace's Volumes and of uploads under way."""
    state, workspace = room.server.state, group.caller.workspace_id
    roots = (state.workspace_directory(workspace) / "uploads", state.volumes_root(workspace))
    return sorted(path.name for root in roots for path in root.rglob("*") if path.is_file())


def error_of(response: httpx.Response) -> tuple[int, str | None, str | None]:
    root = ET.fromstring(response.text)
    return response.status_code, root.findtext("Code"), root.findtext("Message")


def test_a_link_is_enough_to_download(acme: GroupInRoom, client: Client) -> None:
    acme.upload("loans 1%.csv", b"0123456789")

    whole = client.download("loans 1%.csv")
    part = client.download("loans 1%.csv", range="bytes=3-5")

    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert whole.headers["last-modified"]
    assert (part.status_code, part.content) == (206, b"345")
    assert part.headers["content-range"] == "bytes 3-5/10"


def test_a_file_that_changed_since_is_not_mixed_with_what_was_read(
    acme: GroupInRoom, client: Client
) -> None:
    acme.upload("loans.csv", b"new")
    long_ago = "Wed, 21 Oct 2015 07:28:00 GMT"

    assert client.download("loans.csv", **{"if-unmodified-since": long_ago}).status_code == 412


def test_no_link_to_what_is_not_there_or_not_ones_own(
    room: Room, acme: GroupInRoom, client: Client
) -> None:
    globex = Client(room.group("globex"))
    acme.upload("loans.csv", b"x")
    globex.volume = client.volume

    assert client.link("nothing.csv").json()["error_code"] == "NOT_FOUND"
    assert globex.link("loans.csv").status_code == 403
    assert globex.act("loans.csv", "initiate-upload").status_code == 403
    globex.close()


@pytest.mark.parametrize("moment", ["", "tomorrow", "2015-10-21T07:28:00Z"])
def test_a_link_needs_an_end_that_is_still_to_come(
    acme: GroupInRoom, client: Client, moment: str
) -> None:
    acme.upload("loans.csv", b"x")

    refused = client.link("loans.csv", moment)

    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_link_that_is_over_or_made_up_is_refused_as_the_cloud_refuses(
    timed: Room, clock: FakeClock
) -> None:
    acme = timed.group("acme")
    acme.upload("loans.csv", b"x")
    client = Client(acme)
    url = client.link("loans.csv", iso(clock.now() + timedelta(minutes=1))).json()["url"]
    assert client.unknown.get(url).content == b"x"

    clock.advance(60)

    assert error_of(client.unknown.get(url)) == (403, "AccessDenied", "Request has expired")
    assert error_of(client.unknown.get(url[:-3])) == (403, "AccessDenied", "Access Denied")
    client.close()


def test_a_file_arrives_in_parts_in_any_order_and_appears_whole(
    room: Room, acme: GroupInRoom, client: Client
) -> None:
    session = client.begin("big.bin")
    client.put("big.bin", session, 2, b"first try")
    parts = [client.put("big.bin", session, number, PARTS[number]) for number in (3, 1, 2)]
    assert client.link("big.bin").status_code == 404

    done = client.complete("big.bin", session, sorted(parts, key=lambda one: one["part_number"]))

    assert (done.status_code, done.json()) == (200, {})
    assert client.download("big.bin").content == b"aaaaabbbbbbbc"
    assert stored(room, acme) == ["big.bin"]


def test_parts_that_are_missing_changed_or_out_of_order_make_no_file(
    room: Room, acme: GroupInRoom, client: Client
) -> None:
    session = client.begin("big.bin")
    one, two = (client.put("big.bin", session, number, PARTS[number]) for number in (1, 2))
    never = {"part_number": 3, "etag": one["etag"]}
    changed = {"part_number": 2, "etag": '"0"'}

    for parts in ([], [two, one], [one, one], [one, changed], [one, two, never], ["x"]):
        refused = client.complete("big.bin", session, parts)
        assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE", parts

    assert client.link("big.bin").status_code == 404
    assert client.complete("big.bin", session, [one, two]).status_code == 200


def test_without_overwrite_a_file_that_is_there_stays(acme: GroupInRoom, client: Client) -> None:
    session = client.begin("big.bin", overwrite="false")
    part = client.put("big.bin", session, 1, b"mine")
    acme.upload("big.bin", b"theirs")

    late = client.complete("big.bin", session, [part])
    early = client.act("big.bin", "initiate-upload")

    assert [late.status_code, early.status_code] == [409, 409]
    assert client.download("big.bin").content == b"theirs"


@pytest.mark.parametrize("way", ["action", "link"])
def test_an_abandoned_upload_leaves_nothing(
    room: Room, acme: GroupInRoom, client: Client, way: str
) -> None:
    session = client.begin("big.bin")
    part, url = client.put("big.bin", session, 1, b"x"), client.part_url("big.bin", session, 2)

    if way == "action":
        query = {"upload_type": "multipart", "session_token": session}
        assert client.act("big.bin", "abort-upload", **query).status_code == 200
    else:
        told = client.ask("create-abort-upload-url", "big.bin", session).json()
        assert client.unknown.delete(told["abort_upload_url"]["url"]).status_code == 204

    assert stored(room, acme) == []
    assert client.complete("big.bin", session, [part]).status_code == 404
    assert client.unknown.put(url, content=b"x").status_code == 403


def test_a_session_is_its_makers_and_its_files_alone(
    room: Room, acme: GroupInRoom, client: Client
) -> None:
    session = client.begin("big.bin")
    colleague = Client(room.group("globex"))
    theirs = colleague.begin("big.bin")

    asked = {"start_part_number": 1, "count": 1}
    for one, path, token in ((client, "other.bin", session), (client, "big.bin", theirs)):
        refused = one.ask("create-upload-part-urls", path, token, **asked)
        assert (refused.status_code, refused.json()["error_code"]) == (404, "NOT_FOUND")
    colleague.close()


@pytest.mark.parametrize("count", [0, -1, "2", True, 10_001])
def test_a_wrong_number_of_parts_is_refused(client: Client, count: object) -> None:
    session = client.begin("big.bin")

    refused = client.ask(
        "create-upload-part-urls", "big.bin", session, start_part_number=1, count=count
    )

    assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_an_unknown_action_is_refused(client: Client) -> None:
    assert client.act("big.bin", "frobnicate").status_code == 400
