"""How people write a place in a Volume, and what is refused before anything is asked (row D1)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.names import VolumePath, is_elsewhere

PLACE = VolumePath("c", "s", "v", ("in", "a.csv"))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)


def is_name(text: str) -> bool:
    low = text.lower()
    return (
        text not in {".", ".."}
        and not set(text) & set("/\\")
        and not any(code in low for code in ("%2f", "%5c", "%00"))
    )


PARTS = st.lists(NAMES.filter(is_name), min_size=3, max_size=6)


@pytest.mark.parametrize(
    "text",
    [
        "/Volumes/c/s/v/in/a.csv",
        "dbfs:/Volumes/c/s/v/in/a.csv",
        "dbfs:///Volumes/c/s/v/in/a.csv",
        "/dbfs/Volumes/c/s/v/in/a.csv",
        "//Volumes/c/s/v/in//a.csv",
        "/Volumes/c/s/v//in/a.csv/",
        "vol:v/in/a.csv",
        "vol:/v/in/a.csv",
    ],
)
def test_every_spelling_is_the_same_place(text: str) -> None:
    assert is_elsewhere(text)
    assert VolumePath.given(text, catalog="c", schema="s") == PLACE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/Volumes", "names no Volume"),
        ("/Volumes/c/s", "names no Volume"),
        ("/Volumes/c/s/", "names no Volume"),
        ("/Volumes/c//v/a.csv", "names no Volume"),
        ("/Volumes/c/s/v/../w/a.csv", "'..' cannot be part"),
        ("/Volumes/c/s/v/./a.csv", "'.' cannot be part"),
        ("/Volumes/../etc/passwd/x", "'..' cannot be part"),
        ("/Volumes/c/s/v/a\x00.csv", "control character"),
        ("/Volumes/c/s/v/a\n.csv", "control character"),
        ("/Volumes/c/s/v/in\\a.csv", "separator"),
        ("/Volumes/c/s/v/..%2F..%2Fa", "encoded separator"),
        ("dbfs:/FileStore/a.csv", "no place in a Volume"),
        ("dbfs:Volumes/c/s/v/a.csv", "no place in a Volume"),
        ("s3://bucket/a.csv", "is a URL"),
        ("https://adb-1.azuredatabricks.net/Volumes/c/s/v/a", "is a URL"),
        ("file:///Volumes/c/s/v/a.csv", "is a URL"),
        ("vol:", "names no Volume"),
        ("vol:v/../w", "'..' cannot be part"),
    ],
)
def test_what_is_no_place_in_a_volume_is_refused_by_its_part(text: str, said: str) -> None:
    assert is_elsewhere(text)
    with pytest.raises(UnsafePath) as refused:
        VolumePath.given(text, catalog="c", schema="s")
    assert said in refused.value.message
    assert refused.value.exit_code == 6


def test_a_short_form_needs_the_names_it_leaves_out() -> None:
    with pytest.raises(UnsafePath, match="needs a catalog and a schema"):
        VolumePath.given("vol:v/a.csv")


@pytest.mark.parametrize(
    "text", ["a.csv", "./Volumes/c/s/v", "in/Volumes/a", "/tmp/a", "/dbfs/tmp/a", "a:b.csv", "/"]
)
def test_paths_of_this_machine_stay_here(text: str) -> None:
    assert not is_elsewhere(text)


@given(PARTS)
def test_any_names_survive_a_round_trip(parts: list[str]) -> None:
    path = VolumePath(parts[0], parts[1], parts[2], tuple(parts[3:]))

    assert VolumePath.given(path.text) == path
    assert VolumePath.given(f"dbfs:{path.text}/") == path
    assert VolumePath.given(unicodedata.normalize("NFD", path.text)) == path


@given(st.text(st.sampled_from("/Volumescv.%2fF\\\x00: dbé"), max_size=40))
def test_whatever_is_taken_has_only_plain_names(text: str) -> None:
    try:
        path = VolumePath.given(text, catalog="c", schema="s")
    except UnsafePath:
        return
    assert VolumePath.parse(path.text) == path
    assert not {"", ".", ".."} & {path.catalog, path.schema, path.volume, *path.parts}


def test_above_and_name_of_a_place() -> None:
    assert (PLACE.parent.text, PLACE.name) == ("/Volumes/c/s/v/in", "a.csv")
    root = VolumePath("c", "s", "v")
    assert (root.parent, root.name) == (root, "")
