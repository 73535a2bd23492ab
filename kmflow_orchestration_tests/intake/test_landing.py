"""What a scan of the landing place sees, refuses and passes over."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.errors import QuarantinedFile, StorageUnavailable
from kmflow_orchestration.intake.entry_rules import check_entry, engagement_of, is_ignored
from kmflow_orchestration.intake.landing import lister, walk
from kmflow_orchestration.metadata.intake_records import FolderLook, Seen

LONG_AGO = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "landing" / "acme"
    root.mkdir(parents=True)
    return root


def drop(root: Path, path: str, content: str = "x") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def looks(root: Path, after: str | None = None) -> list[FolderLook]:
    return list(walk(lister(root, now_ns=LONG_AGO * 10**9), after))


def seen(root: Path) -> dict[str, Seen]:
    return {file.path: file for look in looks(root) for file in look.files}


def problems(root: Path) -> dict[str, str]:
    return {path: file.problem for path, file in seen(root).items()}


def test_files_are_found_in_any_folder_of_an_engagement(root: Path) -> None:
    drop(root, "e1/a.csv", "1234")
    drop(root, "e1/2024/q1/b.csv")

    found = seen(root)

    assert set(found) == {"e1/a.csv", "e1/2024/q1/b.csv"}
    assert found["e1/a.csv"].size_bytes == 4
    assert found["e1/2024/q1/b.csv"].engagement_id == "e1"
    assert found["e1/2024/q1/b.csv"].folder == "e1/2024/q1"


def test_a_file_above_any_engagement_is_refused(root: Path) -> None:
    drop(root, "loose.csv")
    assert problems(root) == {"loose.csv": "no_engagement"}
    assert seen(root)["loose.csv"].engagement_id == ""


def test_a_folder_whose_name_is_no_id_is_refused_with_all_its_files(root: Path) -> None:
    drop(root, "Bad Name/a.csv")
    drop(root, "Bad Name/deep/b.csv")
    assert problems(root) == {"Bad Name/a.csv": "bad_name", "Bad Name/deep/b.csv": "bad_name"}


@pytest.mark.parametrize(
    "name", [".hidden", "~$plan.xlsx", "a.tmp", "a.part", "b.csv.meta.yaml", "Thumbs.db", "x~"]
)
def test_hidden_temporary_and_side_files_are_no_evidence(root: Path, name: str) -> None:
    drop(root, f"e1/{name}")
    assert problems(root) == {}
    assert is_ignored(name)


def test_a_link_out_of_the_landing_place_is_a_path_trick(root: Path, tmp_path: Path) -> None:
    secret = drop(tmp_path, "landing/globex/e1/secret.csv")
    (root / "e1").mkdir()
    (root / "e1" / "mine.csv").symlink_to(secret)
    (root / "e1" / "theirs").symlink_to(secret.parent)

    assert problems(root) == {"e1/mine.csv": "path_trick", "e1/theirs": "path_trick"}


def test_a_link_to_a_folder_inside_is_not_followed_either(root: Path) -> None:
    drop(root, "e1/a.csv")
    (root / "e1" / "loop").symlink_to(root / "e1")
    assert problems(root) == {"e1/a.csv": "", "e1/loop": "path_trick"}


def test_a_link_to_a_file_inside_is_that_file(root: Path) -> None:
    target = drop(root, "e1/a.csv", "123")
    (root / "e1" / "b.csv").symlink_to(target)
    assert problems(root) == {"e1/a.csv": "", "e1/b.csv": ""}
    assert seen(root)["e1/b.csv"].size_bytes == 3


def test_a_broken_link_and_a_pipe_are_unreadable(root: Path) -> None:
    (root / "e1").mkdir()
    (root / "e1" / "gone.csv").symlink_to(root / "e1" / "nowhere.csv")
    os.mkfifo(root / "e1" / "pipe")
    assert problems(root) == {"e1/gone.csv": "unreadable", "e1/pipe": "unreadable"}


def test_names_that_look_like_paths_or_are_no_text_are_refused(root: Path) -> None:
    drop(root, "e1/..%2f..%2fpasswd")
    drop(root, "e1/..\\up.csv")
    drop(root, "e1/line\nbreak.csv")
    drop(root, f"e1/{'n' * 240}.csv")
    (root / "e1" / os.fsdecode(b"caf\xe9.csv")).write_text("x")

    assert sorted(problems(root).values()) == ["bad_name"] * 3 + ["path_trick"] * 2
    assert "e1/caf\\xe9.csv" in problems(root)


def test_a_missing_landing_place_is_an_error_not_emptiness(root: Path) -> None:
    root.rmdir()
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        looks(root)


def test_a_scan_resumes_behind_any_folder_and_misses_none(root: Path) -> None:
    for folder in ("e1", "e1/a", "e1/a/deep", "e1/b", "e1-x", "e2/z"):
        drop(root, f"{folder}/f.csv")
    whole = [look.folder for look in looks(root)]

    assert whole == ["", "e1", "e1/a", "e1/a/deep", "e1/b", "e1-x", "e2", "e2/z"]
    for position, folder in enumerate(whole):
        assert [look.folder for look in looks(root, after=folder)] == whole[position + 1 :]


def test_a_scan_resumes_behind_a_folder_that_is_gone(root: Path) -> None:
    drop(root, "e1/f.csv")
    drop(root, "e3/f.csv")
    assert [look.folder for look in looks(root, after="e2/old")] == ["e3"]


def test_a_scan_goes_on_behind_a_folder_whose_name_is_no_text(root: Path) -> None:
    drop(root, os.fsdecode(b"e1/caf\xe9/f.csv"))
    drop(root, "e1/z/f.csv")
    whole = [look.folder for look in looks(root)]

    assert whole == ["", "e1", "e1/caf\\xe9", "e1/z"]
    for position, folder in enumerate(whole):
        assert [look.folder for look in looks(root, after=folder)] == whole[position + 1 :]


def test_a_folder_that_just_changed_asks_for_another_look(root: Path) -> None:
    drop(root, "e1/f.csv")
    changed = (root / "e1").stat().st_mtime_ns
    soon = {look.folder: look for look in walk(lister(root, now_ns=changed + 10**9))}
    later = {look.folder: look for look in walk(lister(root, now_ns=changed + 10**10))}
    assert (soon["e1"].mtime_ns, later["e1"].mtime_ns) == (0, changed)


def test_the_engagement_is_the_first_folder() -> None:
    assert engagement_of(PurePosixPath("e1/a/b.csv")) == "e1"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_whatever_may_enter_stays_inside_its_engagement(parts: list[str]) -> None:
    path = PurePosixPath(*parts)
    try:
        engagement = check_entry(path)
    except QuarantinedFile:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.parts[0] == engagement


def test_a_path_without_end_is_refused_under_a_name_of_its_own(root: Path) -> None:
    deep = [f"e1/{'/'.join([letter * 240] * 12)}" for letter in "ab"]
    for folder in deep:
        (root / folder).mkdir(parents=True)
        (root / folder / "loans.csv").write_text("id\n1\n")

    found = problems(root)

    assert set(found.values()) == {"bad_name"}
    assert len(found) == 2
    assert all(len(path.encode()) <= 2000 for path in found)
