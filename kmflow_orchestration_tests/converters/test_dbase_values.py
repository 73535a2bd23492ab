"""Fields are read the quick way only where the slow one would say the same (issue 6)."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.dbase_header import Field
from kmflow_orchestration.converters.dbase_values import Decoder, as_texts


def _read(kind: str, values: list[bytes], encoding: str = "cp1252") -> list[str | None]:
    width = len(values[0])
    raw = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), width)
    field = Field(b"F", kind, 1, width, 0)
    return as_texts(raw, field, Decoder(encoding), is_dbase_7=False).to_pylist()


def _number(text: str) -> str | None:
    """One value after the other, as people would."""
    value = text.strip(" \0").removeprefix("+")
    if not text.strip(" \0") or re.fullmatch(r"\*+", text.strip(" \0")):
        return None
    value = re.sub(r"\A(-?)0+([0-9])", r"\1\2", value)
    value = "0" if value == "-0" else value
    return re.sub(r"\A(-?[0-9]+)\.\Z", r"\1", value)


FIELDS = st.text(st.sampled_from("0123 9.+-*\0"), min_size=5, max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELDS, min_size=1, max_size=3))
def test_numbers_lose_only_what_says_nothing(texts: list[str]) -> None:
    found = _read("N", [text.encode() for text in texts])

    assert found == [_number(text) for text in texts]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_narrow_numbers(width: int) -> None:
    texts = [
        text.rjust(width) for text in ("0", "00", "-0", "007", "5.", "*") if len(text) <= width
    ]

    assert _read("N", [text.encode() for text in texts]) == [_number(text) for text in texts]


def test_numbers_in_another_code_page() -> None:
    # Digits of mainframes lie beyond those of ASCII.
    assert _read("N", ["+0071".encode("cp037")], "cp037") == ["71"]


DAYS = st.one_of(
    st.dates().map(lambda day: f"{day:%Y%m%d}".zfill(8)),
    st.sampled_from(
        ["        ", "\0\0\0\0\0\0\0\0", "00000000", "2020    ", "99999999", "1 2 3 4 "]
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=5))
def test_days_are_read_alike_whatever_lies_beside_them(days: list[str]) -> None:
    def alone(day: str) -> str | None:
        text = day.strip(" \0")
        if text in ("", "00000000"):
            return None
        return re.sub(r"\A(\d{4})(\d\d)(\d\d)\Z", r"\1-\2-\3", text)

    assert _read("D", [day.encode() for day in days]) == [alone(day) for day in days]
