"""Rows of a sheet cut all at once are proven to be cut rightly, or not cut (issue 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.converters.workbook_alike import CellFrame, values_of_alike

FIRST, COUNT = 1000, 12
BEGIN = b'<row r="1000" spans="1:3">'
CELLS = (
    CellFrame(b"A", b' t="n"><v>', b"</v></c>"),
    CellFrame(b"B", b' s="4"/>', b""),
    CellFrame(b"C", b' t="inlineStr"><is><t>', b"</t></is></c>"),
)
ROW = (
    rb'<row r="%(number)d" spans="1:3"><c r="A%(number)d" t="n"><v>([^<]+)</v></c>'
    rb'<c r="B%(number)d" s="4"/>'
    rb'<c r="C%(number)d" t="inlineStr"><is><t>([^<]+)</t></is></c></row>'
)


def _rows(values: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        b'<row r="%d" spans="1:3"><c r="A%d" t="n"><v>%s</v></c><c r="B%d" s="4"/>'
        b'<c r="C%d" t="inlineStr"><is><t>%s</t></is></c></row>'
        % (number, number, left, number, number, right)
        for number, (left, right) in enumerate(values, start=FIRST)
    )


def _one_by_one(content: bytes) -> list[tuple[bytes, ...]] | None:
    """The same by a pattern for each row; None where something does not fit."""
    found: list[tuple[bytes, ...]] = []
    at = 0
    while at < len(content):
        row = re.compile(ROW % {b"number": FIRST + len(found)}).match(content, at)
        if row is None:
            return None
        found.append(row.groups())
        at = row.end()
    return found


def _at_once(content: bytes) -> list[tuple[bytes, ...]] | None:
    found = values_of_alike(content, BEGIN, CELLS, FIRST)
    return None if found is None else list(zip(*(one.to_pylist() for one in found), strict=True))


SOUND = _rows([(b"%d" % at, b"text %d > %d" % (at, at)) for at in range(COUNT)])

Texts = st.binary(min_size=1, max_size=9).filter(lambda text: b"<" not in text)


@given(st.lists(st.tuples(Texts, Texts), min_size=1, max_size=20))
def test_values_are_those_that_were_written(values: list[tuple[bytes, bytes]]) -> None:
    assert _at_once(_rows(values)) == values


@given(
    st.integers(0, len(SOUND)),
    st.integers(0, 60),
    st.one_of(
        st.text('<>/cvrtis="01 A&', max_size=12).map(str.encode),
        st.sampled_from([b"</c>", b"</row>", b"<v>", b"</v></c>", b'<c r="A1003"', b"<!-- -->"]),
        st.tuples(st.integers(0, len(SOUND)), st.integers(0, 400)).map(
            lambda cut: SOUND[cut[0] : cut[0] + cut[1]]
        ),
    ),
)
def test_rows_that_were_changed_are_cut_as_one_by_one_or_not_at_all(
    at: int, length: int, instead: bytes
) -> None:
    content = SOUND[:at] + instead + SOUND[at + length :]

    # Of what does not begin as the first row says nobody asks.
    found = _at_once(content)

    assert found is None or found == _one_by_one(content)


@pytest.mark.parametrize(
    "content",
    [
        SOUND.replace(b'r="1005"', b'r="1006"', 1),
        SOUND.replace(b"<v>5</v>", b"<v></v>"),
        SOUND.replace(b"<v>5</v>", b"<v>5</v><v>6</v>"),
        SOUND.replace(b' spans="1:3"><c r="A1004"', b' ht="9"><c r="A1004"'),
        SOUND[: -len(b"</row>")] + b"</sow>",
        SOUND + SOUND,
        b"",
    ],
    ids=["number", "no value", "two values", "other row", "no end", "numbers again", "nothing"],
)
def test_what_differs_is_not_cut(content: bytes) -> None:
    assert _at_once(content) is None


def test_rows_that_end_with_an_empty_cell_are_not_cut() -> None:
    assert values_of_alike(SOUND, BEGIN, CELLS[:2], FIRST) is None
