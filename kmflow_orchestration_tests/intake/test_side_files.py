"""Side files: what they say, and that none keeps its file out."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.intake.side_files import parse
from kmflow_orchestration.metadata.intake_records import SideFile

FULL = b"""
source_type: Official
source_date: 2024-03-01
author: Treasury
source_system: SAP
category: controls_evidence
classification: confidential
"""


def test_all_six_fields_are_read() -> None:
    assert parse(FULL) == SideFile(
        "official", date(2024, 3, 1), "Treasury", "SAP", "controls_evidence", "confidential"
    )


def test_what_it_says_survives_the_database() -> None:
    side = parse(FULL + b"colour: blue\n")
    assert SideFile.from_dict(side.as_dict()) == side


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (b"category: nonsense", "category: must be one of"),
        (b"source_date: soon", "source_date: must be a date"),
        (b"source_date: 2024-02-31", "source_date: must be a date"),
        (
            b'source_date: !!timestamp ""\ncategory: !!int ""\nauthor: !!bool x\na: b',
            "unknown field",
        ),
        (b"author: [a, b]", "author: must be text"),
        (b"colour: blue", "unknown field 'colour'"),
        (b"- a\n- b", "no mapping"),
        (b"a: {b", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"a: &x [*x]", "no YAML"),
        (b"author: !!python/object/apply:os.system [x]", "author: must be text"),
        (b"[" * 9_000, "no YAML"),
        (b"#" * 20_000, "larger than"),
    ],
)
def test_what_cannot_be_used_is_a_warning(content: bytes, warning: str) -> None:
    side = parse(content)
    assert any(warning in one for one in side.warnings), side.warnings


def test_one_bad_field_costs_only_itself() -> None:
    side = parse(b"author: Treasury\ncategory: nonsense\n")
    assert side.author == "Treasury"
    assert side.category == ""


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"~", b"author:\nsource_date: null\n"])
def test_a_side_file_without_values_says_nothing(content: bytes) -> None:
    assert parse(content) == SideFile()


@pytest.mark.parametrize(
    "day", ["2024-03-01", "2024-03-01 23:59:59", "2024-03-01T10:00:00Z", "'2024-03-01'"]
)
def test_a_date_may_be_a_moment(day: str) -> None:
    assert parse(f"source_date: {day}".encode()).source_date == date(2024, 3, 1)


_YAML = st.text("!<>tag:yaml.org,2002 intflobsdrc\"'[]{}&*~-=#|\n:019", max_size=80)
_TAGS = st.sampled_from(["int", "float", "bool", "timestamp", "binary", "null", "set", "omap"])


@given(name=st.sampled_from(["author", "source_date", "x"]), tag=_TAGS, value=_YAML)
def test_no_tagged_value_is_an_error(name: str, tag: str, value: str) -> None:
    quoted = value.replace("\\", "").replace('"', "")
    parse(f'{name}: !!{tag} "{quoted}"'.encode())
    parse(f"{name}: !!{tag} {value}".encode())


@given(st.binary(max_size=200))
def test_no_content_is_an_error(content: bytes) -> None:
    side = parse(content)
    assert SideFile.from_dict(side.as_dict()) == side
