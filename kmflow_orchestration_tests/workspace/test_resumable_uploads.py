"""A workspace on Google's cloud: one stream per large file, resumed where it broke."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import GroupInRoom, Room

GRAIN = 256 << 10
CONTENT = bytes(range(256)) * (2 * GRAIN // 256) + b"and a bit"
SIZE = len(CONTENT)
PUT = "/presigned/resumable/*"


class Client:
    """Requests of one principal; links are followed without its token."""

    def __init__(self, group: GroupInRoom) -> None:
        self.volume = group.volume
        token = {"Authorization": f"Bearer {group.token}"}
        self.known = httpx.Client(base_url=group.host, headers=token)
        self.unknown = httpx.Client()

    def begin(self, path: str, overwrite: str = "true") -> httpx.Response:
        query = {"action": "initiate-upload", "overwrite": overwrite}
        return self.known.post(f"/api/2.0/fs/files{self.volume}/{path}", params=query)

    def url(self, path: str, token: str) -> httpx.Response:
        body = {"path": f"{self.volume}/{path}", "session_token": token}
        return self.known.post("/api/2.0/fs/create-resumable-upload-url", json=body)

    def link(self, path: str, overwrite: str = "true") -> str:
        token = self.begin(path, overwrite).json()["resumable_upload"]["session_token"]
        return str(self.url(path, token).json()["resumable_upload_url"]["url"])

    def put(self, link: str, first: int, last: int, whole: object = SIZE) -> httpx.Response:
        headers = {"Content-Range": f"bytes {first}-{last}/{whole}"}
        return self.unknown.put(link, content=CONTENT[first : last + 1], headers=headers)

    def ask(self, link: str) -> httpx.Response:
        return self.unknown.put(link, headers={"Content-Range": "bytes */*"})

    def read(self, path: str) -> httpx.Response:
        return self.known.get(f"/api/2.0/fs/files{self.volume}/{path}")

    def close(self) -> None:
        self.known.close()
        self.unknown.close()


@pytest.fixture
def client(room: Room, acme: GroupInRoom) -> Iterator[Client]:
    room.server.services.cloud = "GCP"
    opened = Client(acme)
    yield opened
    opened.close()
    room.server.services.cloud = "AWS"


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("range")


def test_a_file_arrives_piece_by_piece_and_appears_whole(client: Client) -> None:
    link = client.link("big.bin")

    assert told(client.ask(link)) == (308, None)
    assert told(client.put(link, 0, GRAIN - 1, "*")) == (308, f"bytes=0-{GRAIN - 1}")
    assert client.read("big.bin").status_code == 404
    assert told(client.ask(link)) == (308, f"bytes=0-{GRAIN - 1}")
    assert told(client.put(link, GRAIN, SIZE - 1)) == (200, None)

    assert client.read("big.bin").content == CONTENT
    # Whoever lost the last answer asks, and hears that all is there.
    assert told(client.ask(link)) == (200, None)


def test_bytes_that_are_there_already_are_passed_over(client: Client) -> None:
    link = client.link("big.bin")
    client.put(link, 0, GRAIN - 1, "*")

    assert client.put(link, 0, SIZE - 1).status_code == 200
    assert client.read("big.bin").content == CONTENT


@pytest.mark.parametrize(
    ("first", "last", "whole"),
    [(GRAIN, 2 * GRAIN - 1, SIZE), (0, GRAIN - 2, "*"), (0, GRAIN, SIZE), (5, 4, SIZE)],
    ids=["a gap", "an odd piece", "an odd piece of a known whole", "backwards"],
)
def test_a_piece_that_does_not_fit_is_refused(
    client: Client, first: int, last: int, whole: object
) -> None:
    link = client.link("big.bin")

    assert client.put(link, first, last, whole).status_code == 400
    assert told(client.ask(link)) == (308, None)


def test_of_a_piece_that_broke_whole_grains_are_kept(room: Room, client: Client) -> None:
    link = client.link("big.bin")
    room.server.faults.add(Fault("cut_body", "PUT", PUT, keep_bytes=GRAIN + 1000))

    with pytest.raises(httpx.TransportError):
        client.put(link, 0, SIZE - 1)

    assert told(client.ask(link)) == (308, f"bytes=0-{GRAIN - 1}")


def test_less_may_be_taken_than_was_sent(room: Room, client: Client) -> None:
    link = client.link("big.bin")
    room.server.faults.add(Fault("take_less", "PUT", PUT, keep_bytes=GRAIN + 1000))

    assert told(client.put(link, 0, SIZE - 1)) == (308, f"bytes=0-{GRAIN - 1}")
    assert client.put(link, GRAIN, SIZE - 1).status_code == 200
    assert client.read("big.bin").content == CONTENT


def test_what_must_not_be_replaced_stays(acme: GroupInRoom, client: Client) -> None:
    link = client.link("big.bin", overwrite="false")
    acme.upload("big.bin", b"theirs")

    assert client.put(link, 0, SIZE - 1).status_code == 412
    assert client.begin("big.bin", overwrite="false").status_code == 409
    assert client.read("big.bin").content == b"theirs"


def test_an_upload_that_was_given_up_is_gone(client: Client) -> None:
    token = client.begin("big.bin").json()["resumable_upload"]["session_token"]
    link = client.url("big.bin", token).json()["resumable_upload_url"]["url"]

    assert client.unknown.delete(link).status_code == 499

    assert client.put(link, 0, SIZE - 1).status_code == 403
    assert client.url("big.bin", token).status_code == 404


def test_an_upload_is_its_makers_and_its_files_alone(room: Room, client: Client) -> None:
    token = client.begin("big.bin").json()["resumable_upload"]["session_token"]
    globex = Client(room.group("globex"))
    globex.volume = client.volume

    assert client.url("other.bin", token).status_code == 404
    assert globex.url("big.bin", token).status_code == 403
    globex.close()


def test_host_metadata_names_the_cloud(client: Client) -> None:
    assert client.known.get("/.well-known/databricks-config").json()["cloud"] == "GCP"
