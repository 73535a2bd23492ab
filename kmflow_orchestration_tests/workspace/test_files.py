from __future__ import annotations

import gc
import http.client
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from databricks.sdk.errors import (
    AlreadyExists,
    BadRequest,
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.names import check_path_part
from kmflow_orchestration.workspace.files import sent_file
from kmflow_orchestration_tests.embedded import GroupInRoom, Room


def disk(room: Room, group: GroupInRoom) -> Path:
    root = room.server.state.volumes_root(group.caller.workspace_id)
    return root / group.volume.removeprefix("/Volumes/")


def raw(
    room: Room, group: GroupInRoom, method: str, path: str, **headers: str
) -> tuple[int, bytes]:
    """A request whose path no client library cleans up first."""
    address = urlsplit(room.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    sent = {"Authorization": f"Bearer {group.token}", **headers}
    connection.request(method, path, body=b"x" if method == "PUT" else None, headers=sent)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


@pytest.mark.parametrize("name", ["a.txt", "deep/er/b 1#%.csv", "ümläut.txt", "a+b&c=d.txt"])
def test_a_file_comes_back_as_it_was_sent(acme: GroupInRoom, name: str) -> None:
    path = acme.upload(name, b"content")
    assert acme.client().files.download(path).contents.read() == b"content"
    assert acme.client().files.get_metadata(path).content_length == 7


def test_a_file_of_many_chunks_comes_back_whole(acme: GroupInRoom) -> None:
    content = os.urandom(5_000_000)
    path = acme.upload("big.bin", content)
    assert acme.client().files.download(path).contents.read() == content


def test_an_empty_file_is_a_file(acme: GroupInRoom) -> None:
    assert acme.client().files.get_metadata(acme.upload("empty", b"")).content_length == 0


def test_an_upload_without_overwrite_refuses_what_is_there(acme: GroupInRoom) -> None:
    path = acme.upload("a.txt", b"first")
    with pytest.raises(AlreadyExists, match="already exists"):
        acme.client().files.upload(path, io.BytesIO(b"second"))
    assert acme.client().files.download(path).contents.read() == b"first"


def test_overwrite_replaces(acme: GroupInRoom) -> None:
    acme.upload("a.txt", b"first, and longer")
    path = acme.upload("a.txt", b"second")
    assert acme.client().files.download(path).contents.read() == b"second"


def test_of_many_first_uploads_one_wins(acme: GroupInRoom) -> None:
    client = acme.client()

    def upload(number: int) -> int:
        try:
            client.files.upload(f"{acme.volume}/same", io.BytesIO(b"%d" % number))
        except AlreadyExists:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(upload, range(8))) == 1


def test_no_upload_leaves_a_temporary_file(room: Room, acme: GroupInRoom) -> None:
    path = acme.upload("a.txt", b"first")
    with pytest.raises(AlreadyExists):
        acme.client().files.upload(path, io.BytesIO(b"second"))
    directory = room.server.state.workspace_directory(acme.caller.workspace_id) / "uploads"
    assert list(directory.iterdir()) == []


def test_what_is_absent_is_not_found(acme: GroupInRoom) -> None:
    files, path = acme.client().files, f"{acme.volume}/nothing"
    for ask in (files.download, files.get_metadata, files.delete, files.get_directory_metadata):
        with pytest.raises(NotFound):
            ask(path)


def test_a_deleted_file_is_gone(acme: GroupInRoom) -> None:
    path = acme.upload("a.txt", b"1")
    acme.client().files.delete(path)
    with pytest.raises(NotFound):
        acme.client().files.get_metadata(path)


def test_a_range_is_answered_with_206(room: Room, acme: GroupInRoom) -> None:
    path = "/api/2.0/fs/files" + acme.upload("a.txt", b"0123456789")
    assert raw(room, acme, "GET", path, Range="bytes=2-4") == (206, b"234")
    assert raw(room, acme, "GET", path, Range="bytes=7-") == (206, b"789")
    assert raw(room, acme, "GET", path, Range="bytes=10-")[0] == 416


def test_a_file_changed_since_is_a_failed_precondition(room: Room, acme: GroupInRoom) -> None:
    path = "/api/2.0/fs/files" + acme.upload("a.txt", b"1")
    old = {"If-Unmodified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert raw(room, acme, "GET", path, **old)[0] == 412


def test_directories_are_made_listed_and_removed(acme: GroupInRoom) -> None:
    files = acme.client().files
    files.create_directory(f"{acme.volume}/a/b")
    files.create_directory(f"{acme.volume}/a/b")
    acme.upload("a/f.txt", b"123")
    entries = {e.name: e for e in files.list_directory_contents(f"{acme.volume}/a")}
    assert entries["b"].is_directory
    assert entries["b"].path == f"{acme.volume}/a/b/"
    assert (entries["f.txt"].file_size, entries["f.txt"].is_directory) == (3, False)
    files.delete_directory(f"{acme.volume}/a/b")
    with pytest.raises(NotFound):
        files.get_directory_metadata(f"{acme.volume}/a/b")


def test_a_directory_with_something_in_it_stays(acme: GroupInRoom) -> None:
    acme.upload("a/f.txt", b"1")
    with pytest.raises(BadRequest, match="not empty"):
        acme.client().files.delete_directory(f"{acme.volume}/a")
    with pytest.raises(BadRequest, match="root"):
        acme.client().files.delete_directory(acme.volume)


def test_a_listing_of_several_pages_is_complete_and_sorted(room: Room, acme: GroupInRoom) -> None:
    names = [f"f{number:02}" for number in range(25)]
    for name in names:
        acme.upload(f"many/{name}", b"")
    room.server.services.request_log.clear()
    listed = acme.client().files.list_directory_contents(f"{acme.volume}/many", page_size=10)
    assert [entry.name for entry in listed] == names
    assert room.server.requests("GET", "/api/2.0/fs/directories/*").count() == 3


def test_a_bad_page_token_is_refused(acme: GroupInRoom) -> None:
    acme.upload("f", b"")
    with pytest.raises(InvalidParameterValue):
        list(acme.client().files.list_directory_contents(acme.volume, page_token="é"))


def test_a_file_is_no_directory_and_a_directory_no_file(acme: GroupInRoom) -> None:
    files = acme.client().files
    acme.upload("d/f", b"1")
    with pytest.raises(AlreadyExists):
        acme.upload("d", b"2")
    with pytest.raises(AlreadyExists):
        acme.upload("d/f/g", b"2")
    with pytest.raises(AlreadyExists):
        files.create_directory(f"{acme.volume}/d/f")
    with pytest.raises(NotFound):
        files.download(f"{acme.volume}/d")


def test_a_caller_without_privileges_is_refused(room: Room, acme: GroupInRoom) -> None:
    path, stranger = acme.upload("a.txt", b"1"), room.group("beta").client().files
    with pytest.raises(PermissionDenied, match="User does not have USE CATALOG on Catalog 'acme'"):
        stranger.download(path)
    for ask in (stranger.get_metadata, stranger.delete):
        with pytest.raises(PermissionDenied):
            ask(path)
    with pytest.raises(PermissionDenied):
        list(stranger.list_directory_contents(acme.volume))


def test_a_reader_cannot_write(room: Room, acme: GroupInRoom) -> None:
    path, beta = acme.upload("a.txt", b"1"), room.group("beta")
    grant = room.server.services.catalog.grant
    workspace_id = beta.caller.workspace_id
    grant(workspace_id, ("USE_CATALOG",), ("CATALOG", "acme"), beta.principal)
    grant(workspace_id, ("USE_SCHEMA",), ("SCHEMA", "acme.main"), beta.principal)
    grant(workspace_id, ("READ_VOLUME",), ("VOLUME", "acme.main.evidence"), beta.principal)
    assert beta.client().files.download(path).contents.read() == b"1"
    with pytest.raises(PermissionDenied, match=r"WRITE VOLUME on Volume 'acme\.main\.evidence'"):
        beta.client().files.upload(path, io.BytesIO(b"2"), overwrite=True)


def test_a_new_grant_counts_at_once(room: Room, acme: GroupInRoom) -> None:
    path, beta = acme.upload("a.txt", b"1"), room.group("beta")
    with pytest.raises(PermissionDenied):
        beta.client().files.download(path)
    everything = ("USE_CATALOG", "USE_SCHEMA", "READ_VOLUME")
    place = ("CATALOG", "acme")
    room.server.services.catalog.grant(beta.caller.workspace_id, everything, place, beta.principal)
    assert beta.client().files.download(path).contents.read() == b"1"


@pytest.mark.parametrize(
    "tail",
    [
        "../../../x",
        "..%2F..%2Fx",
        "%2e%2e/%2e%2e/x",
        "a/../../x",
        "a//b",
        "a/./b",
        "a%5C..%5Cb",
        "a%00b",
        "%252e%252e%252fx",
        "a%0Ab",
    ],
)
def test_paths_that_try_to_leave_are_refused(room: Room, acme: GroupInRoom, tail: str) -> None:
    path = f"/api/2.0/fs/files{acme.volume}/{tail}?overwrite=true"
    assert raw(room, acme, "PUT", path)[0] in {400, 404}
    assert list(disk(room, acme).iterdir()) == []


@pytest.mark.parametrize("path", ["/Volumes/acme", "/etc/passwd", "/dbfs/x", "/Volumes//main/v/f"])
def test_paths_outside_volumes_are_refused(acme: GroupInRoom, path: str) -> None:
    with pytest.raises(DatabricksError) as refused:
        acme.client().files.download(path)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_link_out_of_the_volume_is_not_followed(
    room: Room, acme: GroupInRoom, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("not yours")
    (disk(room, acme) / "out").symlink_to(tmp_path)
    with pytest.raises(BadRequest, match="leaves its Volume"):
        acme.client().files.download(f"{acme.volume}/out/secret")
    with pytest.raises(BadRequest):
        acme.upload("out/new", b"1")
    assert list(acme.client().files.list_directory_contents(acme.volume)) == []


def test_an_unknown_volume_is_not_found(acme: GroupInRoom) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        acme.client().files.download("/Volumes/acme/main/nothing/f")


def _plain(text: str) -> bool:
    try:
        return bool(check_path_part(text)) and len(text.encode()) < 100
    except (ValueError, UnicodeEncodeError):
        return False


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(min_size=1, max_size=20).filter(_plain))
def test_any_plain_name_comes_back_in_the_listing(acme: GroupInRoom, name: str) -> None:
    path = acme.upload(f"names/{name}", b"1")
    listed = acme.client().files.list_directory_contents(f"{acme.volume}/names")
    assert name in [entry.name for entry in listed]
    acme.client().files.delete(path)


def test_a_download_that_nobody_begins_to_read_leaves_no_file_open(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(3 << 20))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sent_file(large, {}).status_code == 200
        gc.collect()
    assert [str(one.message) for one in caught] == []
