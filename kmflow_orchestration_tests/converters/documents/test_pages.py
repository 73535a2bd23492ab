"""PDF, HTML, RTF and OpenDocument as text (rows D32, D34, D35)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.documents.pdf import iso_date
from kmflow_orchestration.converters.interface import (
    BlockKind,
    DescribesDocuments,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.documents.page_samples import (
    HTML,
    ODT_CONTENT,
    RTF,
    odt,
    pdf,
)

PDF = pdf()
ODT = odt()


def blocks(source: Source) -> list[TextBlock]:
    converter = detect(source, default_converters()).converter
    assert converter is not None
    return list(converter.open_text(source))


def properties(source: Source) -> dict[str, str]:
    converter = detect(source, default_converters()).converter
    assert isinstance(converter, DescribesDocuments)
    return dict(converter.properties(source))


def told(found: list[TextBlock]) -> list[tuple[BlockKind, str]]:
    return [(block.kind, block.text) for block in found]


def test_a_pdf_is_read_page_by_page_under_its_outline(source: Writes) -> None:
    found = blocks(source(PDF, "tariff.pdf"))

    assert [(block.text, block.heading, block.location) for block in found[:3]] == [
        ("Tariff\nAll rates in EUR", "", "page 1"),
        ("Rates that apply", "Rates that apply", "page 2"),
        ("Exceptions", "Rates that apply", "page 2"),
    ]


def test_a_page_without_text_is_kept_and_flagged(source: Writes) -> None:
    found = blocks(source(PDF, "tariff.pdf"))

    assert [(block.text, block.flags, block.location) for block in found[3:]] == [
        ("[page 3 has no text layer]", ("needs_ocr",), "page 3"),
        ("[page 4 is blank]", ("blank",), "page 4"),
    ]


def test_html_is_read_as_a_browser_shows_it(source: Writes) -> None:
    found = blocks(source(HTML, "returns.html"))

    assert told(found) == [
        (BlockKind.HEADING, "Returns"),
        (
            BlockKind.PARAGRAPH,
            "Goods come back within 14 days.\nSee rules (https://e.com/r).",
        ),
        (BlockKind.LIST, "- clean\n- unused\n  1. label on\n  2. box closed"),
        (BlockKind.TABLE, "Fees\n| Kind | Fee |\n| Late | 5 \\| 6 |"),
        (BlockKind.HEADING, "Layout"),
        (BlockKind.PARAGRAPH, "inside a frame"),
        (BlockKind.CODE, "x = 1\n  y"),
        (BlockKind.PARAGRAPH, "[picture: A flow chart]"),
    ]
    assert [block.heading for block in found[:5]] == [*["Returns"] * 4, "Layout"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<p>Größe</p>".encode(), "Größe"),
        ("<p>Größe</p>".encode("cp1252"), "Größe"),
        ("<p>Größe</p>".encode("utf-16"), "Größe"),
        (b"<meta charset=iso-8859-2><p>\xb1</p>", "ą"),
        (b'<meta http-equiv=x content="text/html; charset=shift_jis"><p>\x82\xa0</p>', "あ"),
        (b"<meta charset=nonsense><p>\xe9</p>", "é"),
    ],
)
def test_the_characters_of_a_page_are_found(source: Writes, content: bytes, text: str) -> None:
    assert told(blocks(source(content, "a.html"))) == [(BlockKind.PARAGRAPH, text)]


def test_a_page_nested_without_limit_is_read(source: Writes) -> None:
    (block,) = blocks(source("<div>" * 5_000 + "deep", "a.html"))
    assert block.text == "deep"


def test_rtf_gives_its_lines_and_tables(source: Writes) -> None:
    assert told(blocks(source(RTF, "handover.rtf"))) == [
        (BlockKind.PARAGRAPH, "Handover at the gate"),
        (BlockKind.PARAGRAPH, "Café € 5"),
        (BlockKind.TABLE, "| Shift | Lead |\n| Early | Ben |"),
        (BlockKind.PARAGRAPH, "Done"),
    ]


def test_open_document_text_is_read_with_what_hangs_on_it(source: Writes) -> None:
    found = blocks(source(ODT, "access.odt"))

    assert told(found) == [
        (BlockKind.HEADER, "Confidential"),
        (BlockKind.DELETED, "[deleted by Ben: twice]"),
        (BlockKind.HEADING, "Access rights"),
        (BlockKind.PARAGRAPH, "New  people[note 1] get a copy."),
        (BlockKind.NOTE, "[note 1] Since May."),
        (BlockKind.COMMENT, "Ann: All of it?"),
        (BlockKind.LIST, "- ask\n  - in writing"),
        (BlockKind.TABLE, "| Role |" + "  |" * 64),
        (BlockKind.PARAGRAPH, "In a frame"),
    ]
    assert found[1].flags == ("deleted",)


def test_what_pages_say_of_themselves(source: Writes) -> None:
    assert properties(source(PDF, "a.pdf")) == {
        "title": "Tariff 2026",
        "author": "Ann",
        "created": "2026-10-05T08:15:00+02:00",
        "pages": "4",
    }
    assert properties(source(HTML, "a.htm")) == {"title": "Returns policy", "author": "Ann"}
    assert properties(source(RTF, "a.rtf")) == {"title": "Handover", "author": "Ann"}
    about = {"title": "Access", "author": "Ann", "pages": "3"}
    assert properties(source(ODT, "a.odt")) == about


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("D:2026", "2026-01-01"),
        ("D:20261005", "2026-10-05"),
        ("D:20261005081500Z", "2026-10-05T08:15:00Z"),
        ("D:202610050815", "2026-10-05T08:15:00"),
        ("yesterday", ""),
    ],
)
def test_dates_of_a_pdf_become_iso_dates(text: str, iso: str) -> None:
    assert iso_date(text) == iso


@pytest.mark.parametrize(
    ("content", "name", "converter"),
    [
        (PDF, "a.csv", "pdf"),
        (b"\n junk \n" + PDF, "a.pdf", "pdf"),
        (HTML, "a.txt", "html"),
        ("<p>no frame around it", "a.html", "html"),
        ("just words", "a.htm", "html"),
        ("<p>a, b</p>\n<p>c, d</p>\n<p>e, f</p>\n", "a.htm", "html"),
        (
            "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>",
            "a.xml",
            "html",
        ),
        (RTF, "a.doc", "rtf"),
        (ODT, "a.docx", "open_document"),
    ],
)
def test_content_tells_what_a_page_is(
    source: Writes, content: str | bytes, name: str, converter: str
) -> None:
    found = detect(source(content, name), default_converters()).converter
    assert found is not None
    assert found.name == converter


ENCRYPTED = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
DOCTYPE = "?><!DOCTYPE a [<!ENTITY b 'c'>]>"
ENTITY = ODT_CONTENT.replace("?>", DOCTYPE, 1)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (pdf(is_encrypted=True), "a.pdf", "encrypted"),
        (b"%PDF-1.7\n", "a.pdf", "corrupt"),
        (PDF[: len(PDF) // 8], "a.pdf", "corrupt"),
        (RTF[:100], "a.rtf", "corrupt"),
        (odt(manifest=ENCRYPTED), "a.odt", "encrypted"),
        (odt(ODT_CONTENT[:-40]), "a.odt", "corrupt"),
        (odt(ENTITY), "a.odt", "xml_entities"),
        (ODT[:500], "a.odt", "corrupt"),
        (ODT.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\x7f"), "a.odt", "corrupt"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "content",
)
def test_a_page_that_cannot_be_read_is_refused_with_its_reason(
    source: Writes, content: bytes | str, name: str, reason: str
) -> None:
    with pytest.raises(CorruptInput) as refused:
        blocks(source(content, name))
    assert refused.value.reason == reason


@pytest.mark.parametrize("name", ["a.pdf", "a.html", "a.rtf", "a.odt"])
def test_noise_is_no_page(source: Writes, name: str) -> None:
    with pytest.raises(CorruptInput):
        detect(source(bytes(range(256)) * 20, name), default_converters())


def test_an_empty_page_has_no_text(source: Writes) -> None:
    assert blocks(source("", "a.html")) == []


@pytest.mark.parametrize(
    ("content", "name"), [(PDF, "a.pdf"), (RTF.encode(), "a.rtf"), (ODT, "a.odt")]
)
def test_flipped_bytes_are_read_or_refused(source: Writes, content: bytes, name: str) -> None:
    read = 0
    for at in range(0, len(content), max(1, len(content) // 50)):
        damaged = bytearray(content)
        damaged[at] ^= 0x55
        try:
            read += bool(blocks(source(bytes(damaged), name)))
        except (CorruptInput, AssertionError):
            continue
    assert read
