"""What must not be unpacked is refused alone, what is damaged is told (rows D22, D40)."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError
from kmflow_orchestration_tests.converters.archives.bundles import (
    CSV,
    Files,
    behind_a_password,
    damaged,
    stored,
    tarred,
    with_link,
    zipped,
)
from kmflow_orchestration_tests.converters.archives.conftest import FILES, Opens


def test_archives_of_which_nothing_is_read_leave_nothing_on_disk(
    opened: Opens, temporary: Path
) -> None:
    bomb, cut = tarred({"x.csv": bytes(4 << 20)}, "gz"), b"?" + tarred({"x.csv": CSV})[1:]
    hostile = tarred({"../x.csv": bytes(1 << 18)}, "gz")
    bundle = opened(
        zipped(
            {
                **{f"{number}.tgz": bomb for number in range(4)},
                **{f"{number}.tar.gz": gzip.compress(cut) for number in range(4, 8)},
                **{f"{number}.tgz": hostile for number in range(8, 12)},
                "z.csv": CSV,
            }
        ),
        max_bytes=3 << 20,
    )
    left = [path for path in temporary.rglob("*") if path.is_file()]

    assert Counter(bundle.fates.values()) == {
        "too_large_inside": 4,
        "corrupt": 4,
        "opened": 4,
        "unsafe_name": 4,
        "converted": 1,
    }
    assert sum(path.stat().st_size for path in left) < 1 << 18


@pytest.mark.parametrize(
    "name",
    ["../x.csv", "a/../../x.csv", "/x.csv", "C:\\x.csv", "..\\x.csv", "\\\\host\\x.csv", "x\0.csv"],
)
def test_a_name_that_leads_out_is_refused_and_the_rest_is_read(
    opened: Opens, temporary: Path, name: str
) -> None:
    content = zipped({"_" * len(name): CSV, "z.csv": CSV})
    bundle = opened(content.replace(b"_" * len(name), name.encode()))

    assert bundle.fates[name] == "unsafe_name"
    assert bundle.fates["z.csv"] == "converted"
    assert bundle.warned == [("member_skipped", name)]


def test_links_are_refused_and_the_rest_is_read(opened: Opens) -> None:
    in_zip = opened(with_link("link.csv", "/etc/passwd", {"z.csv": CSV}))
    in_tar = opened(tarred({"z.csv": CSV}, links={"link.csv": "/etc/passwd"}), "a.tar")

    assert in_zip.fates == in_tar.fates == {"link.csv": "link", "z.csv": "converted"}


def test_a_file_behind_a_password_is_told_and_the_rest_is_read(opened: Opens) -> None:
    content = behind_a_password(zipped({"a.csv": CSV, "b.csv": CSV}), "a.csv")
    bundle = opened(content)

    assert bundle.fates == {"a.csv": "encrypted", "b.csv": "converted"}
    assert bundle.members[0].message == "it is behind a password"


def test_an_archive_behind_a_password_needs_one(opened: Opens) -> None:
    content = behind_a_password(zipped({"a.csv": CSV}), "a.csv")

    with pytest.raises(PasswordRequiredError):
        opened(content)


@pytest.mark.parametrize("pack", [stored, tarred])
def test_what_must_not_be_unpacked_is_refused_alone(
    opened: Opens, pack: Callable[[Files], bytes]
) -> None:
    content = pack({"big.csv": b"0,0\n" * 300, "small.csv": CSV})
    bundle = opened(content, max_bytes=1000)

    assert bundle.fates == {"big.csv": "too_large_inside", "small.csv": "converted"}


def test_a_bomb_is_refused_by_what_it_says_of_itself(opened: Opens, temporary: Path) -> None:
    bundle = opened(
        zipped({"a.csv": CSV, "bomb.csv": bytes(2 << 20)}), ratio_from_bytes=1 << 20, max_ratio=100
    )

    assert bundle.fates == {"a.csv": "converted", "bomb.csv": "too_large_inside"}
    assert "more than 100 times its size" in bundle.members[1].message


def test_a_bomb_in_an_archive_in_an_archive_is_refused(opened: Opens) -> None:
    inner = zipped({"bomb.csv": bytes(2 << 20), "c.csv": CSV})
    bundle = opened(zipped({"a.csv": CSV, "in.zip": inner}), ratio_from_bytes=1 << 20)

    assert bundle.fates["in.zip!/bomb.csv"] == "too_large_inside"
    assert bundle.fates["in.zip!/c.csv"] == "converted"


def test_a_bomb_around_an_archive_is_refused_unread(opened: Opens) -> None:
    bomb = gzip.compress(tarred({"zeros.csv": bytes(2 << 20)}))
    bundle = opened(zipped({"a.csv": CSV, "in.tar.gz": bomb}), max_bytes=1 << 20)

    assert bundle.fates == {"a.csv": "converted", "in.tar.gz": "too_large_inside"}


def test_archives_that_are_small_one_by_one_are_counted_together(opened: Opens) -> None:
    inner = zipped({"zeros.csv": b"0\n" * 300})
    bundle = opened(zipped({f"{one}.zip": inner for one in range(4)}), max_bytes=2000)

    fates = [bundle.fates[f"{one}.zip!/zeros.csv"] for one in range(4)]
    assert fates == ["converted", "converted", "too_large_inside", "too_large_inside"]


def test_an_archive_of_too_many_files_is_refused(opened: Opens) -> None:
    many = {f"{number}.csv": CSV for number in range(6)}

    with pytest.raises(CorruptInput) as error:
        opened(zipped(many), max_members=5)
    bundle = opened(zipped({"a.csv": CSV, "many.zip": zipped(many)}), max_members=5)

    assert error.value.reason == "too_large_inside"
    assert bundle.fates == {"a.csv": "converted", "many.zip": "too_large_inside"}


def test_a_file_damaged_in_the_middle_is_told_and_the_rest_is_read(opened: Opens) -> None:
    content = damaged(stored({"a.csv": CSV, "b.csv": b"id\n77\n", "c.csv": CSV}), "b.csv", b"77")
    bundle = opened(content)

    assert bundle.fates == {"a.csv": "converted", "b.csv": "corrupt", "c.csv": "converted"}
    assert "Bad CRC-32" in bundle.members[1].message


def test_a_tar_damaged_in_the_middle_is_read_up_to_there(opened: Opens) -> None:
    content = tarred({"a.csv": CSV, "b.csv": CSV, "c.csv": CSV})
    at = content.index(b"b.csv")
    bundle = opened(content[:at] + b"x" + content[at + 1 :], "a.tar")

    assert bundle.fates == {"a.csv": "converted", "": "corrupt"}
    assert bundle.members[1].message.startswith(f"it is damaged at byte {at}")
    assert bundle.warned == [("member_skipped", "the archive itself")]


@pytest.mark.parametrize("cut", [600, 1124, 1540])
def test_a_tar_cut_off_is_read_up_to_there(opened: Opens, cut: int) -> None:
    bundle = opened(tarred({"a.csv": CSV, "b.csv": CSV * 30})[:cut], "a.tar")

    assert bundle.fates["a.csv"] == "converted"
    assert any(one.fate == "failed" for one in bundle.members)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (zipped(FILES)[:-40], "a.zip", "corrupt"),
        (zipped({}), "a.zip", "empty"),
        (bytes(10240), "a.tar", "empty"),
        (tarred(FILES, "gz")[:60], "a.tar.gz", "corrupt"),
        (b"x" + tarred(FILES)[1:], "a.tar", "corrupt"),
    ],
    ids=["a zip cut off", "an empty zip", "an empty tar", "a tar.gz cut off", "a bad header"],
)
def test_an_archive_without_a_file_to_be_had_is_refused(
    opened: Opens, content: bytes, name: str, reason: str
) -> None:
    with pytest.raises(CorruptInput) as error:
        opened(content, name)

    assert error.value.reason == reason


def test_files_that_cannot_be_read_are_told_with_the_reason(opened: Opens) -> None:
    bundle = opened(
        zipped(
            {
                "a.csv": b"",
                "b.yaml": b"a: 1\n",
                "c.json": b'[{"a": 1}, {"a"',
                "d.xml": b"<a><b>1</b>",
                "e.csv.gz": gzip.compress(CSV)[:20],
            }
        )
    )

    assert bundle.fates == {
        "a.csv": "empty",
        "b.yaml": "no_converter",
        "c.json": "corrupt",
        "d.xml": "corrupt",
        "e.csv.gz": "corrupt",
    }
    assert len(bundle.warned) == 5
