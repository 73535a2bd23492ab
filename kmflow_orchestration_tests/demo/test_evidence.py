"""What the demo drops, that it is always the same, and that repeats are harmless."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.demo.evidence import ENGAGEMENTS, GROUPS, first_drop, second_drop
from kmflow_orchestration.errors import MissingDependency, UnknownGroup
from kmflow_orchestration.intake.entry_types import check_type
from kmflow_orchestration.intake.side_files import parse
from kmflow_orchestration.names import is_id

DOCUMENTED_FIELDS = {
    "source_type", "source_date", "author", "source_system", "category", "classification",
}  # fmt: skip


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def stamps(root: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in root.rglob("*") if not path.is_dir()}


def evidence(root: Path) -> list[Path]:
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.name.endswith(".meta.yaml")
    ]


def test_there_are_two_groups_and_five_engagements():
    assert GROUPS == ("acme", "globex")
    assert sum(len(engagements) for engagements in ENGAGEMENTS.values()) == 5
    assert all(is_id(name) for engagements in ENGAGEMENTS.values() for name in engagements)


def test_there_are_sixty_files_in_six_formats(first_landing):
    files = evidence(first_landing)
    assert len(files) >= 60
    assert len({path.suffix for path in files}) >= 6
    assert sum(path.stat().st_size for path in files) < 12_000_000


def test_every_engagement_has_a_folder_with_files(first_landing):
    for group, engagements in ENGAGEMENTS.items():
        for engagement in engagements:
            assert len(evidence(first_landing / group / engagement)) >= 10


def test_both_groups_have_an_engagement_and_file_names_in_common(first_landing):
    (shared,) = set(ENGAGEMENTS[GROUPS[0]]) & set(ENGAGEMENTS[GROUPS[1]])
    acme, globex = (contents(first_landing / group / shared) for group in GROUPS)
    common = [name for name in acme.keys() & globex.keys() if not name.endswith(".meta.yaml")]
    assert len(common) >= 8
    assert [name for name in common if acme[name] == globex[name]] == ["chart_of_accounts.csv"]


def test_another_drop_elsewhere_and_later_has_the_same_bytes(second_landing, tmp_path):
    """In another process with another hash seed, time zone and clock."""
    script = (
        "import sys; from pathlib import Path\n"
        "from kmflow_orchestration.demo.evidence import *\n"
        "for g in GROUPS:\n"
        "    for drop in (first_drop, second_drop): drop(Path(sys.argv[1]) / g, g)\n"
        "assert 'pandas' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=True)
    assert contents(tmp_path) == contents(second_landing)


@pytest.mark.parametrize("group", GROUPS)
def test_a_repeated_demo_touches_no_file(tmp_path, group):
    first_drop(tmp_path, group)
    second_drop(tmp_path, group)
    before = stamps(tmp_path)
    assert first_drop(tmp_path, group).written == 0
    assert second_drop(tmp_path, group).written == 0
    assert stamps(tmp_path) == before


def test_the_second_drop_adds_changes_one_and_copies_one(first_landing, second_landing):
    for group in GROUPS:
        before, after = contents(first_landing / group), contents(second_landing / group)
        changed = [path for path in before if before[path] != after[path]]
        new = after.keys() - before.keys()
        assert len(changed) == 1
        assert len(new) >= 3
        assert sum(after[path] in before.values() for path in new) == 1


def test_a_drop_killed_half_way_is_completed(tmp_path, first_landing):
    first_drop(tmp_path, "globex")
    victim = tmp_path / "procure-to-pay" / "vendors.csv"
    victim.unlink()
    (victim.parent / ".vendors.csv.part").write_bytes(b"half a fi")
    assert first_drop(tmp_path, "globex").written == 1
    assert contents(tmp_path) == contents(first_landing / "globex")


def test_a_file_somebody_edited_stays_as_it_is(tmp_path):
    first_drop(tmp_path, "acme")
    edited = tmp_path / "procure-to-pay" / "vendors.csv"
    edited.write_text("mine")
    first_drop(tmp_path, "acme")
    second_drop(tmp_path, "acme")
    assert edited.read_text() == "mine"


def test_the_manifest_says_what_lies_there(tmp_path):
    drop = first_drop(tmp_path, "acme")
    links = [
        file for file in drop.files if file.size_bytes == 0 and "symlink_out" in str(file.dirt)
    ]
    assert drop.written == len(drop.files)
    assert sum(drop.formats.values()) == len(evidence(tmp_path)) + len(links)
    assert drop.size_bytes == sum(path.stat().st_size for path in evidence(tmp_path))


def test_side_files_stand_beside_their_file_with_known_fields(first_landing):
    sides = list(first_landing.rglob("*.meta.yaml"))
    assert len(sides) >= 8
    for side in sides:
        assert side.with_name(side.name.removesuffix(".meta.yaml")).exists()
        assert set(yaml.safe_load(side.read_text())) <= DOCUMENTED_FIELDS
        assert parse(side.read_bytes()).warnings == ()


def test_public_tables_are_the_packages_own_bytes(first_landing):
    airports = first_landing / "globex/freight-operations/reference/airports.csv"
    assert airports.read_bytes().startswith(b"iata,name,city,state,country,latitude,longitude")


def test_an_unknown_group_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UnknownGroup, match="acme, globex"):
        first_drop(tmp_path / "new", "initech")
    assert not (tmp_path / "new").exists()


def test_a_missing_package_is_named_with_its_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingDependency, match="openpyxl"):
        first_drop(tmp_path, "acme")


def test_whatever_the_demo_drops_may_enter(first_landing: Path) -> None:
    types = set()
    for path in evidence(first_landing):
        content = path.read_bytes()
        if content:
            found = media_type_of_content(content, len(content), partial(part_of, content))
            types.add(check_type(path.name, found))
    assert {"text/csv", "image/png", "application/pdf", "application/zip"} <= types


def part_of(content: bytes, length: int, start: int) -> bytes:
    return content[start : start + length]
