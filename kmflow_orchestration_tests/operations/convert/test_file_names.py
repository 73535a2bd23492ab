"""Names of outputs, for any name of a source or a sheet (row D20)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kmflow_orchestration.operations.convert.file_names import (
    distinct,
    kept_columns,
    safe_name,
    stem_of,
)
from kmflow_orchestration.operations.convert.layout import Target, Wanted, lay_out, target_of

DEVICES = (
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"),
)
LONGEST_NAME = 255
LONGEST = 120 + len("_12345678")
HOSTILE = st.text(
    st.sampled_from('<>:"/\\|?* \t\n\0\x1f\x7f\u0085\u2028._aäA€ßéN\u0301'), max_size=20
)
NAMES = (
    st.text(max_size=200)
    | HOSTILE
    | st.sampled_from(DEVICES)
    | st.builds("{}.{}".format, st.sampled_from(DEVICES), st.text("ab.", max_size=4))
    | st.builds(
        lambda text, count: text * count, st.text("aé€\U0001f600", min_size=1), st.integers(1, 99)
    )
)


def size(name: str) -> int:
    return len(name.encode("utf-8", "surrogateescape"))


@given(NAMES)
@example("con .txt")
@example("COM¹.a")
@example("a\u0085b")
@example("é" * 61)
def test_any_name_becomes_one_that_every_system_takes(text: str) -> None:
    name = safe_name(text)

    assert name
    assert not re.search(r'[<>:"/\\|?*\s]', name)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name)
    assert name == name.strip(" .")
    assert name.partition(".")[0].casefold() not in DEVICES
    assert size(name) <= LONGEST
    name.encode()


@given(NAMES)
def test_a_name_that_is_safe_stays_as_it_is(text: str) -> None:
    name = safe_name(text)

    if size(name) <= 120:
        assert safe_name(name) == name


@given(st.text("aé€", min_size=121, max_size=160), st.text("aé€", min_size=121, max_size=160))
def test_long_names_are_told_apart_by_their_hash(one: str, other: str) -> None:
    short = safe_name(one)

    assert re.fullmatch(r".*_[0-9a-f]{8}", short)
    assert (safe_name(other) == short) is (other == one)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Loans 2026", "Loans_2026"),
        ('a<b>c:"d"/e\\f|g?h*i', "a_b_c_d_e_f_g_h_i"),
        ("  .hidden. ", "hidden"),
        ("___", "data"),
        ("", "data"),
        ("NUL", "_NUL"),
        ("com1.2026", "_com1.2026"),
        ("console", "console"),
        ("a\u0085b", "a_b"),
        ("lpt²", "_lpt²"),
    ],
)
def test_names_are_mended_as_little_as_can_be(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.lists(st.text("aAbBéÉßsS_23", max_size=4), max_size=8))
@example(["a", "A", "a_2", "A_2"])
@example(["ß", "SS", "ss"])
def test_names_that_differ_in_case_alone_are_told_apart(names: list[str]) -> None:
    found = distinct(names)

    assert len({name.casefold() for name in found}) == len(names)
    for before, after in zip(names, found, strict=True):
        assert re.fullmatch(re.escape(before) + r"(_[0-9]+)?", after)
    assert distinct(found) == found


def test_an_accent_of_its_own_is_the_same_letter() -> None:
    assert distinct(["caf\u00e9", "cafe\u0301"]) == ("caf\u00e9", "cafe\u0301_2")


@given(st.lists(st.text(" \tab", max_size=3), max_size=6))
def test_columns_keep_their_headers_trimmed(headers: list[str]) -> None:
    names = kept_columns(headers)

    assert len({name.casefold() for name in names}) == len(headers)
    for at, (header, name) in enumerate(zip(headers, names, strict=True), start=1):
        assert name.startswith(header.strip() or f"column_{at}")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("loans.csv", "loans"),
        ("loans.2026.csv", "loans.2026"),
        ("bank.xml.gz", "bank"),
        ("loans.CSV.ZST", "loans"),
        ("loans.gz", "loans"),
        (".csv", "csv"),
        ("aux.csv", "_aux"),
        ("con.xml.gz", "_con"),
    ],
)
def test_a_stem_has_no_suffix_and_none_of_packing(name: str, stem: str) -> None:
    assert stem_of(name) == stem


SHEETS = st.lists(
    st.text(st.sampled_from("aA é\u0301.<:_2nulNUL"), min_size=1, max_size=31) | HOSTILE,
    min_size=2,
    max_size=6,
)


@given(NAMES.filter(bool), SHEETS)
def test_every_table_of_a_workbook_gets_a_file_of_its_own(stem: str, sheets: list[str]) -> None:
    folder = Path("out")
    target = Target(folder, safe_name(stem))
    wanted = [Wanted(sheet, "parquet") for sheet in sheets]
    layout = lay_out(Path("in.xlsx"), "spreadsheet", target, wanted)
    names = [file.name for file in layout.files]

    assert layout.folder == folder / f"{safe_name(stem)}_parquet"
    assert {file.parent for file in layout.files} == {layout.folder}
    assert len({name.casefold() for name in names}) == len(sheets)
    assert all(size(name) < LONGEST_NAME for name in names)
    assert not {name.partition(".")[0].casefold() for name in names} & set(DEVICES)
    assert layout == lay_out(Path("in.xlsx"), "spreadsheet", target, wanted)


def test_tables_of_a_database_are_named_without_it_and_in_a_folder(tmp_path: Path) -> None:
    source = tmp_path / "shop.accdb"
    wanted = [Wanted("Order Details", "csv"), Wanted("order_details", "csv"), Wanted("NUL", "csv")]
    layout = lay_out(source, "access", target_of(source, None), wanted)

    assert layout.folder == tmp_path / "shop_csv"
    assert [file.name for file in layout.files] == [
        *("Order_Details.csv", "order_details_2.csv", "_NUL.csv"),
    ]
    assert layout.manifest == tmp_path / "shop_csv" / "_manifest.json"
