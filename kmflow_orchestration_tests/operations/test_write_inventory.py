"""An inventory into a file: the same as the one in memory, of which little is held at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.source_tree import SourceFile, SourceProblem, TreeWalk, walk
from kmflow_orchestration.operations.take_inventory import inventoried, take_inventory
from kmflow_orchestration.operations.write_inventory import SHOWN_PROBLEMS, write_inventory


def put(root: Path, path: str, content: str = "x") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_what_is_written_is_what_is_taken_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    tree, file = tmp_path / "tree", tmp_path / "reports" / "i.json"
    for path in ('e1/ü, "q".csv', "e1-x/a.csv", "e1/b/c.csv", "stray", "e1/.hidden"):
        put(tree, path, path)
    (tree / "e1" / "gone").symlink_to(tree / "nothing")

    found = write_inventory(tree, file)

    told = json.loads(file.read_text())
    assert told == take_inventory(tree).as_dict()
    folders = told["totals"]["engagement_folders"]
    assert (found.totals.files, found.problems, folders) == (3, 2, 2)
    assert [one.path for one in found.shown] == ["e1/gone", "stray"]
    assert [one.name for one in file.parent.iterdir()] == ["i.json"]


def test_an_empty_folder_and_one_of_problems_alone_are_inventories_too(tmp_path: Path) -> None:
    tree, file = tmp_path / "tree", tmp_path / "i.json"
    tree.mkdir()
    write_inventory(tree, file)
    assert json.loads(file.read_text()) == take_inventory(tree).as_dict()

    for number in range(SHOWN_PROBLEMS + 1):
        put(tree, f"stray-{number:03}")
    found = write_inventory(tree, file)
    assert json.loads(file.read_text()) == take_inventory(tree).as_dict()
    assert (found.problems, len(found.shown)) == (SHOWN_PROBLEMS + 1, SHOWN_PROBLEMS)


def test_one_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "i.json"
    write_inventory(put(tmp_path / "tree", "e1/a").parents[1], file)
    before = file.read_bytes()
    (tmp_path / "plain").write_text("no folder")

    with pytest.raises(StorageUnavailable, match="plain"):
        write_inventory(tmp_path / "tree", tmp_path / "plain" / "i.json")
    assert file.read_bytes() == before


NAMES = st.sampled_from(("a", "a-", "a.", "a0", "a b", "b", "ä", "A"))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(paths=st.sets(st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=12))
def test_a_walk_goes_in_the_order_of_paths(
    tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts in paths:
        put(root, "/".join(("e1", *(f"{one}_" for one in parts[:-1]), f"{parts[-1]}")))
    found = [one.path for one in walk(root).files]
    assert found == sorted(found)
    assert len(found) == len(paths)


def test_a_folder_is_looked_into_when_its_turn_comes(tmp_path: Path) -> None:
    put(tmp_path, "e1/a")
    put(tmp_path, "e2/a")
    entries = TreeWalk(tmp_path).entries()

    first = next(entries)
    put(tmp_path, "e2/b")

    assert [one.path for one in (first, *entries)] == ["e1/a", "e2/a", "e2/b"]


def test_no_more_than_a_lot_is_taken_before_the_first_is_told(tmp_path: Path) -> None:
    (one,) = walk(put(tmp_path, "e1/a").parents[1]).files
    taken = 0

    def endless() -> Iterator[SourceFile | SourceProblem]:
        nonlocal taken
        for taken in range(1, 100_000):
            yield one if taken == 1 else SourceProblem(f"e1/{taken}", "x", "x")

    found = inventoried(endless(), workers=1)

    assert [next(found).path, next(found).path] == ["e1/a", "e1/2"]
    assert taken == 1000
