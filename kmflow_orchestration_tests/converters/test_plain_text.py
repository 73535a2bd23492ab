from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.converters.chunking import chunks
from kmflow_orchestration.converters.interface import BlockKind, Source, TextBlock
from kmflow_orchestration.converters.plain_text import PlainTextConverter
from kmflow_orchestration_tests.converters.conftest import Writes

NOTES = """# Title
Intro

Sub
---
- one
- two
  more

| a | b |
|---|---|
| 1 | 2 |

```py
x = 1

y = 2
```
The end
"""


def blocks(source: Source) -> list[TextBlock]:
    return list(PlainTextConverter().open_text(source))


def test_markdown_becomes_blocks_under_their_headings(source: Writes) -> None:
    found = [(block.kind, block.heading, block.text) for block in blocks(source(NOTES, "n.md"))]

    assert found == [
        (BlockKind.HEADING, "Title", "Title"),
        (BlockKind.PARAGRAPH, "Title", "Intro"),
        (BlockKind.HEADING, "Sub", "Sub"),
        (BlockKind.LIST, "Sub", "- one\n- two\n  more"),
        (BlockKind.TABLE, "Sub", "| a | b |\n|---|---|\n| 1 | 2 |"),
        (BlockKind.CODE, "Sub", "x = 1\n\ny = 2"),
        (BlockKind.PARAGRAPH, "Sub", "The end"),
    ]


def test_plain_text_has_paragraphs_with_their_line(source: Writes) -> None:
    found = blocks(source("# no heading\nsame\n\n\nsecond\n", "n.txt"))

    assert [(block.kind, block.text, block.location) for block in found] == [
        (BlockKind.PARAGRAPH, "# no heading\nsame", "line 1"),
        (BlockKind.PARAGRAPH, "second", "line 5"),
    ]


def test_a_fence_that_never_closes_loses_no_text(source: Writes) -> None:
    assert blocks(source("```\na\n\nb\n", "n.md"))[0].text == "a\n\nb"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_text_in_other_encodings_is_read(source: Writes, encoding: str) -> None:
    assert blocks(source("Größe".encode(encoding), "n.txt"))[0].text == "Größe"


def paragraph(text: str, heading: str = "H") -> TextBlock:
    return TextBlock(BlockKind.PARAGRAPH, text, heading, "line 1")


def test_long_text_is_cut_with_an_overlap_under_its_heading() -> None:
    sentences = [f"Sentence number {number} says something." for number in range(300)]
    found = chunks([paragraph(" ".join(sentences))])

    assert len(found) > 5
    assert all(chunk.text.startswith("H\n\n") for chunk in found)
    assert all(30 * 4 <= len(chunk.text) <= 512 * 4 for chunk in found)
    for first, second in pairwise(found):
        overlap = second.text.split("\n\n")[1]
        assert first.text.endswith(overlap)
        assert len(overlap) <= 50 * 4


def test_a_table_is_never_split() -> None:
    table = "\n".join(f"| {n} | value |" for n in range(1000))
    found = chunks([paragraph("before " * 50), TextBlock(BlockKind.TABLE, table, "H")])

    assert [chunk.kind for chunk in found] == [BlockKind.PARAGRAPH, BlockKind.TABLE]
    assert found[1].text == f"H\n\n{table}"


def test_crumbs_join_a_neighbour() -> None:
    found = chunks([paragraph("short"), paragraph("other section", "I"), paragraph("x" * 500, "J")])

    assert [chunk.text for chunk in found] == [
        "H\n\nshort\n\nI\n\nother section\n\nJ\n\n" + "x" * 500
    ]


def test_crumbs_of_another_section_keep_their_flags_to_themselves() -> None:
    hidden = TextBlock(BlockKind.PARAGRAPH, "old plan", "I", "slide 2", ("hidden",))

    found = chunks([paragraph("new plan"), hidden, paragraph("more", "I")])

    assert [(chunk.text, chunk.flags) for chunk in found] == [
        ("H\n\nnew plan", ()),
        ("I\n\nold plan\n\nmore", ("hidden",)),
    ]


def test_halves_of_characters_do_not_keep_a_text_from_being_stored() -> None:
    (chunk,) = chunks([paragraph("cut \ud83d, whole \ud83d\ude00")])
    assert chunk.text == "H\n\ncut \ufffd, whole \U0001f600"


def test_a_heading_without_text_is_kept() -> None:
    found = chunks([TextBlock(BlockKind.HEADING, "Title", "Title"), paragraph("x" * 300, "Sub")])

    assert found[0].text.startswith("Title\n\nSub\n\nx")


kinds = st.sampled_from([BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.CODE, BlockKind.TABLE])
texts = st.text("ab .\n", min_size=1, max_size=3000).filter(str.strip)
any_blocks = st.builds(TextBlock, kinds, texts, st.sampled_from(["", "H", "I"]))


@given(st.lists(any_blocks, max_size=6))
def test_no_chunk_but_a_table_passes_the_maximum_and_no_word_is_lost(
    given_blocks: list[TextBlock],
) -> None:
    found = chunks(given_blocks)

    assert all(len(chunk.text) <= 2048 for chunk in found if chunk.kind is not BlockKind.TABLE)
    everything = "".join("".join(chunk.text.split()) for chunk in found)
    for block in given_blocks:
        if len(block.text) < 500:
            assert "".join(block.text.split()) in everything
