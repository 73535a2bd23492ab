"""A tree to be moved: what is taken along, and what is a problem."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from kmflow_orchestration.errors import ConfigurationError, QuarantinedFile
from kmflow_orchestration.intake.source_tree import content_hash, walk


def put(root: Path, path: str, content: str = "x") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_files_are_found_in_any_depth_with_their_engagement(tmp_path: Path) -> None:
    put(tmp_path, "e2/a.csv", "abc")
    put(tmp_path, "e1/2026-11-20/b.csv")
    put(tmp_path, "e1/c/d/b.csv")
    put(tmp_path, "e1/.hidden")

    tree = walk(tmp_path)

    assert [(file.path, file.engagement_id) for file in tree.files] == [
        ("e1/2026-11-20/b.csv", "e1"),
        ("e1/c/d/b.csv", "e1"),
        ("e2/a.csv", "e2"),
    ]
    assert (tree.files[1].name, tree.files[1].folders) == ("b.csv", ("c", "d"))
    assert (tree.problems, tree.hidden, tree.folders) == ((), 1, 2)
    assert content_hash(tree.files[2]) == hashlib.sha256(b"abc").hexdigest()
    assert [file.path for file in tree.of("e2").files] == ["e2/a.csv"]


def test_what_cannot_go_along_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    root, outside = tmp_path / "tree", put(tmp_path, "outside/secret.txt")
    put(root, "e1/good.csv")
    put(root, "stray.csv")
    put(root, "Not An Id/a.csv")
    put(root, "e1/100%2fx.csv")
    (root / "e1" / "inside.csv").symlink_to(root / "e1" / "good.csv")
    (root / "e1" / "out.csv").symlink_to(outside)
    (root / "e1" / "gone.csv").symlink_to(root / "nothing")
    (root / "e1" / "folder").symlink_to(outside.parent)
    (root / "e1" / "round").symlink_to(root / "e1" / "round")
    os.mkfifo(root / "e1" / "pipe")
    Path(os.fsdecode(os.fsencode(root) + b"/e1/\xff.csv")).write_text("x")

    tree = walk(root)

    assert [file.path for file in tree.files] == ["e1/good.csv", "e1/inside.csv"]
    assert {problem.path: problem.code for problem in tree.problems} == {
        "stray.csv": "no_engagement",
        "Not An Id/a.csv": "bad_name",
        "e1/100%2fx.csv": "path_trick",
        "e1/out.csv": "path_trick",
        "e1/gone.csv": "broken_link",
        "e1/folder": "path_trick",
        "e1/round": "unreadable",
        "e1/pipe": "not_a_file",
        "e1/\\xff.csv": "bad_name",
    }


def test_the_root_of_a_store_stands_for_its_one_folder(tmp_path: Path) -> None:
    put(tmp_path, "evidence_store/e1/a.csv")
    assert [file.path for file in walk(tmp_path).files] == ["e1/a.csv"]
    put(tmp_path, "e2/a.csv")
    assert [file.path for file in walk(tmp_path).files] == ["e2/a.csv", "evidence_store/e1/a.csv"]


def test_a_file_that_changed_since_or_went_is_not_hashed(tmp_path: Path) -> None:
    changed, gone, swapped = (put(tmp_path, f"e1/{name}") for name in "abc")
    tree = walk(tmp_path)
    changed.write_text("longer")
    gone.unlink()
    swapped.unlink()
    swapped.symlink_to(changed)

    reasons = []
    for file in tree.files:
        with pytest.raises(QuarantinedFile) as raised:
            content_hash(file)
        reasons.append(raised.value.reason)

    assert reasons == ["changed", "unreadable", "unreadable"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        walk(tmp_path / "nowhere")
