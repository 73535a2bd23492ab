from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.errors import StorageUnavailable, UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.local_outputs import LocalOutputs

PLACE = VolumePath("users", "acme", "outputs")
FILE = PLACE.joined("run", "a.json")


@pytest.fixture
def store(tmp_path: Path) -> LocalOutputs:
    return LocalOutputs(tmp_path / "outputs" / "acme")


def write(store: LocalOutputs, path: VolumePath = FILE, content: bytes = b"1") -> None:
    store.write(path, content, known=lambda: None, verify="hash", tell=str)


def test_the_layout_is_that_of_the_volumes(store: LocalOutputs, tmp_path: Path) -> None:
    write(store)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "outputs/acme/users/acme/outputs/run/a.json"]


@pytest.mark.parametrize("link", ["users", "users/acme", "users/acme/outputs", ""])
def test_a_link_leads_nowhere(store: LocalOutputs, tmp_path: Path, link: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "acme" / "outputs" / "run").mkdir(parents=True)
    root = tmp_path / "outputs" / "acme"
    place = root / link if link else root / "users/acme/outputs/run"
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere, target_is_directory=True)

    for call in (write, LocalOutputs.read, LocalOutputs.delete, LocalOutputs.entries):
        with pytest.raises(UnsafePath):
            call(store, FILE)
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == []


def test_neither_links_nor_unfinished_files_are_listed(store: LocalOutputs, tmp_path: Path) -> None:
    write(store)
    folder = store.local_path(FILE).parent
    (folder / ".0f.part").write_bytes(b"half")
    (folder / "link").symlink_to(tmp_path)

    assert [one.name for one in store.entries(PLACE.joined("run"))] == ["a.json"]


def test_a_file_where_a_folder_is_needed_is_told(store: LocalOutputs) -> None:
    write(store, PLACE.joined("run"))

    with pytest.raises(StorageUnavailable, match="check disk space and permissions"):
        write(store)

    assert store.read(PLACE.joined("run")) == b"1"
