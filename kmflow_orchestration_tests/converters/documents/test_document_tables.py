"""Documents as tables: about them, their blocks or pages, and each table they hold (D32, D34)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.documents.page_ranges import chosen_pages
from kmflow_orchestration.converters.front_matter import front_matter
from kmflow_orchestration.converters.interface import (
    DocumentReading,
    ReadsDocuments,
    Source,
)
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.documents.office_samples import slides, word
from kmflow_orchestration_tests.converters.documents.page_samples import HTML, RTF, odt, pdf
from kmflow_orchestration_tests.converters.reading import rows, types

SPANNING = """<table><thead><tr><td>Kind<td>Fee<td>Note</tr></thead>
<tr><td rowspan=2>Late<td>5<td>a</tr><tr><td>6<td>b</tr><tr><td colspan=2>None<td>c</tr></table>"""


def reading(source: Source, options: dict[str, Any] | None = None) -> DocumentReading:
    converter = detect(source, default_converters()).converter
    assert isinstance(converter, ReadsDocuments)
    return converter.read_document(source, options)


def table(found: DocumentReading, part: str) -> list[Any]:
    return rows(next(one for one in found.tables if one.part == part))


def about(found: DocumentReading) -> dict[str, Any]:
    facts = next(one.facts for one in found.tables if one.part == "documents")
    [row] = table(found, "documents")
    return {fact.name: value for fact, value in zip(facts, row, strict=True) if value is not None}


def test_a_word_document_gives_a_row_about_it_its_blocks_and_its_table(source: Writes) -> None:
    found = reading(source(word(), "policy.docx"))

    assert [one.part for one in found.tables] == ["documents", "blocks", "table_1"]
    told = about(found)
    assert (told["title"], told["author"], told["revision"]) == ("Credit policy", "Ann", 1)
    assert json.loads(told["properties"])["created"] == "2026-10-05T08:00:00Z"
    blocks = [row[:5] for row in table(found, "blocks")]
    assert blocks[1] == (2, "heading", 1, "Title", "Credit policy")
    assert blocks[2] == (3, "heading", 1, "heading 1", "Limits")
    assert blocks[5] == (6, "list", None, "List Bullet", "- first\n- second")
    assert table(found, "table_1") == [("none\nat all", None, None)]
    assert [fact.source_name for fact in found.tables[2].facts] == ["Grade", "Limit", "From|to"]


def test_slides_give_their_numbers_and_their_table(source: Writes) -> None:
    found = reading(source(slides(), "kickoff.pptx"))

    assert about(found)["pages"] == 2
    blocks = table(found, "blocks")
    assert {row[6] for row in blocks} == {1, 2}
    assert {row[8] for row in blocks if row[6] == 2} == {"hidden"}
    assert table(found, "table_1") == [("Team", "Lending")]


@pytest.mark.parametrize(
    ("content", "name", "table_rows", "headers"),
    [
        (HTML, "a.html", [("Late", "5 | 6")], ["Kind", "Fee"]),
        (
            SPANNING,
            "b.html",
            [("Late", 5, "a"), (None, 6, "b"), ("None", None, "c")],
            ["Kind", "Fee", "Note"],
        ),
        (RTF, "a.rtf", [("Early", "Ben")], ["Shift", "Lead"]),
        (odt(), "a.odt", [("Role",)], ["column_1"]),
        ("| 1 | 2 |\n| 3 | 4 |\n", "a.md", [(1, 2), (3, 4)], ["column_1", "column_2"]),
        ("| a \\| b | c |\n|:--|--:|\n| 3 |\n", "b.md", [(3, None)], ["a | b", "c"]),
    ],
    ids=["html", "spans", "rtf", "odt", "numbers", "markdown"],
)
def test_tables_of_a_document_have_their_cells_and_a_header_if_there_is_one(
    source: Writes, content: str | bytes, name: str, table_rows: list[Any], headers: list[str]
) -> None:
    found = reading(source(content, name))
    [one] = [one for one in found.tables if one.part == "table_1"]

    assert rows(one) == table_rows
    assert [fact.source_name for fact in one.facts] == headers
    assert [row[-1] for row in table(found, "blocks") if row[1] == "table"] == ["table_1"]


def test_columns_have_the_same_types_whatever_a_document_holds(source: Writes) -> None:
    one = reading(source("1\n\n2\n", "digits.txt"))
    other = reading(source(word(), "policy.docx"))

    for at in (0, 1):
        assert types(one.tables[at]) == types(other.tables[at])
    assert [row[4] for row in table(one, "blocks")] == ["1", "2"]


def test_a_pdf_gives_a_row_for_every_page(source: Writes) -> None:
    found = reading(source(pdf(), "tariff.pdf"))

    pages = table(found, "pages")
    assert pages[0] == (1, "Tariff\nAll rates in EUR", 23, 0, 595.0, 842.0, 0, False, None)
    assert [row[7:] for row in pages[2:]] == [(True, "needs_ocr"), (False, "blank")]
    assert table(found, "outline") == [(1, "Rates that apply", 2)]
    assert table(found, "links") == [(1, "https://example.com/rates", None), (1, None, 2)]
    assert (about(found)["pages"], about(found)["words"]) == (4, 9)
    assert found.warnings == ()


def test_a_damaged_page_is_a_row_and_a_warning(source: Writes) -> None:
    found = reading(source(pdf(has_damaged_page=True), "tariff.pdf"))

    assert table(found, "pages")[3] == (4, *[None] * 6, False, "unreadable")
    assert [(one.code, one.location) for one in found.warnings] == [("page_skipped", "page 4")]


def test_only_the_pages_that_were_asked_for_are_read(source: Writes) -> None:
    found = reading(source(pdf(), "tariff.pdf"), {"pages": "2-3", "metadata": True})

    assert [row[0] for row in table(found, "pages")] == [2, 3]
    assert [block.text for block in found.blocks] == [
        "--- Page 2 ---",
        "Rates that apply",
        "Exceptions",
        "--- End Page 2 ---",
        "--- Page 3 ---",
        "[page 3 has no text layer]",
        "--- End Page 3 ---",
    ]


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("", [1, 2, 3, 4]),
        ("3", [3]),
        ("2-3", [2, 3]),
        ("3-", [3, 4]),
        ("-2", [1, 2]),
        ("4,1-2, 2", [1, 2, 4]),
    ],
)
def test_ranges_name_pages(text: str, pages: list[int]) -> None:
    assert chosen_pages(text, 4) == pages


@pytest.mark.parametrize("text", ["abc", "3-1", "0", "1-5", "5-", "-", "1,,2", "1--2", "²"])
def test_ranges_that_name_no_page_are_refused(source: Writes, text: str) -> None:
    with pytest.raises(ConfigurationError, match="option pages"):
        reading(source(pdf(), "tariff.pdf"), {"pages": text})


def test_a_document_behind_a_password_has_no_tables(source: Writes) -> None:
    with pytest.raises(CorruptInput) as refused:
        reading(source(pdf(is_encrypted=True), "a.pdf"))
    assert refused.value.reason == "encrypted"


@pytest.mark.parametrize(
    "text",
    [
        "no front",
        "---\nnever closed: 1\n",
        "---\n- a list\n---\n",
        "---\na: [\n---\n",
        "---\na: &x [1]\nb: [*x, *x]\n---\n",
        "---\nday: 2026-13-45\n---\n",
        "---\n" + "[" * 5_000 + "\n---\n",
    ],
    ids=["none", "open", "list", "broken", "aliases", "no date", "deep"],
)
def test_what_is_no_front_matter_stays_text(text: str) -> None:
    assert front_matter(text) == {}
