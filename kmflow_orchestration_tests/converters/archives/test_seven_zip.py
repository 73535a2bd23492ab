"""7z archives: unpacked once and within limits, whatever their names say (rows D22, D40)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from kmflow_orchestration.converters.archives.limits import ArchiveLimits
from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError
from kmflow_orchestration_tests.converters.archives.bundles import CSV, seven_zipped, zipped
from kmflow_orchestration_tests.converters.archives.conftest import Opens
from kmflow_orchestration_tests.converters.reading import rows


def test_nested_archives_are_opened_and_tables_read_in_any_order(
    opened: Opens, temporary: Path
) -> None:
    many = {f"{number}.csv": b"id\n%d\n" % number for number in range(5)}
    bundle = opened(zipped({"x.7z": seven_zipped(many), "y.csv": CSV, "z.7z": seven_zipped(many)}))

    for number in (3, 0, 4):
        for name in ("z.7z", "x.7z"):
            assert rows(bundle.by_part[f"{name}!/{number}.csv"]) == [(number,)]
    assert bundle.warned == []
    assert temporary.exists()


def test_names_that_lead_out_are_refused_and_the_rest_is_read(opened: Opens) -> None:
    # The library itself writes no such names: they are put in afterwards, as long as before.
    content = seven_zipped({"aa_x.csv": CSV, "bb.csv": CSV})
    plain, evil = "aa_x.csv".encode("utf-16-le"), "../x.csv".encode("utf-16-le")
    bundle = opened(_renamed(content, plain, evil), "a.7z")

    assert bundle.fates == {"../x.csv": "unsafe_name", "bb.csv": "converted"}
    assert len(rows(bundle.by_part["bb.csv"])) == 2


def test_two_files_of_one_name_are_told(opened: Opens) -> None:
    content = seven_zipped({"aa.csv": CSV, "bb.csv": CSV, "cc.csv": b"n\n7\n"})
    bundle = opened(
        _renamed(content, "bb.csv".encode("utf-16-le"), "aa.csv".encode("utf-16-le")), "a.7z"
    )

    assert [one.reason for one in bundle.members] == ["name_twice", "name_twice", ""]
    assert rows(bundle.by_part["cc.csv"]) == [(7,)]


def test_a_file_without_content_is_empty_and_not_damaged(opened: Opens) -> None:
    bundle = opened(seven_zipped({"a.csv": CSV, "empty.csv": b""}), "a.7z")

    assert [(one.path, one.reason) for one in bundle.members] == [
        ("a.csv", ""),
        ("empty.csv", "empty"),
    ]


def test_what_unpacks_to_too_much_is_refused_alone(opened: Opens) -> None:
    bundle = opened(
        seven_zipped({"a.csv": CSV, "bomb.csv": bytes(4 << 20), "c.csv": CSV}),
        "a.7z",
        max_bytes=1 << 20,
    )

    assert bundle.fates == {
        "a.csv": "converted",
        "bomb.csv": "too_large_inside",
        "c.csv": "converted",
    }


def test_a_file_longer_than_all_limits_is_not_even_unpacked(
    opened: Opens, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = "kmflow_orchestration.converters.archives.seven_zip"
    monkeypatch.setattr(f"{reader}._LIMITS", ArchiveLimits(ratio_from_bytes=1 << 20))
    bundle = opened(seven_zipped({"a.csv": CSV, "bomb.csv": bytes(4 << 20)}), "a.7z")

    assert bundle.fates["a.csv"] == "converted"
    assert bundle.fates["bomb.csv"] == "too_large_inside"
    assert sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize("is_header_locked", [False, True], ids=["files", "names-too"])
def test_an_encrypted_archive_needs_a_password(opened: Opens, is_header_locked: bool) -> None:
    content = seven_zipped({"a.csv": CSV}, "secret", is_header_locked=is_header_locked)

    with pytest.raises(PasswordRequiredError) as refused:
        opened(content, "a.7z")
    assert "--password-env" in refused.value.hint


def test_an_encrypted_archive_in_another_is_told(opened: Opens) -> None:
    locked = seven_zipped({"a.csv": CSV}, "secret", is_header_locked=True)
    bundle = opened(zipped({"locked.7z": locked, "b.csv": CSV}))

    assert bundle.fates == {"b.csv": "converted", "locked.7z": "encrypted"}


def test_damaged_archives_are_told_or_refused(opened: Opens) -> None:
    content = seven_zipped({"a.csv": CSV * 200, "b.csv": CSV * 300})
    random = Random(7)
    for _ in range(25):
        broken = bytearray(content)
        broken[random.randrange(6, len(broken))] ^= 1 << random.randrange(8)
        try:
            bundle = opened(bytes(broken[: random.choice((len(broken), len(broken) - 9))]), "a.7z")
        except CorruptInput:
            continue
        for table in bundle.tables:
            # The checksum of each file was proven: what is there is right.
            assert len(rows(table)) in (400, 600)


def _renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The archive with another name in its header, and the checksums that go with it."""
    import io
    import struct
    import zlib

    import py7zr

    with py7zr.SevenZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist()
    offset, size = struct.unpack_from("<QQ", content, 12)
    header = _plain_header(content[32 + offset : 32 + offset + size], content)
    assert header.count(old) == 1
    header = header.replace(old, new)
    start = struct.pack("<QQI", offset, len(header), zlib.crc32(header))
    head = content[:8] + struct.pack("<I", zlib.crc32(start)) + start
    return head + content[32 : 32 + offset] + header


def _plain_header(header: bytes, content: bytes) -> bytes:
    """Headers are packed as a stream of their own."""
    import io

    from py7zr.archiveinfo import HeaderStreamsInfo

    if header[0] == 1:
        return header
    info = HeaderStreamsInfo.retrieve(io.BytesIO(header[1:]))
    folder = info.unpackinfo.folders[0]
    packed = io.BytesIO(content[32 + info.packinfo.packpos :])
    size = folder.get_unpack_size()
    found = b""
    decompressor = folder.get_decompressor(info.packinfo.packsizes[0])
    while len(found) < size:
        found += decompressor.decompress(packed, size - len(found))
    return found
