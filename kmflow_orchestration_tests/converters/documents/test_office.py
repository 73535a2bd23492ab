"""Word and PowerPoint as text: everything that is in them, in order, and flagged (row D34)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.documents.slides import SlidesConverter
from kmflow_orchestration.converters.documents.word import WordConverter
from kmflow_orchestration.converters.interface import BlockKind, Source, TextBlock
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.documents.office_samples import changed, slides, word
from kmflow_orchestration_tests.evidence_samples import ole

WORD = word()
SLIDES = slides()


def blocks(source: Source) -> list[TextBlock]:
    converter = WordConverter() if source.suffix == ".docx" else SlidesConverter()
    return list(converter.open_text(source))


def test_a_word_document_is_read_in_its_order(source: Writes) -> None:
    found = [(block.kind, block.text) for block in blocks(source(WORD, "policy.docx"))]

    assert found == [
        (BlockKind.HEADER, "Internal"),
        (BlockKind.HEADING, "Credit policy"),
        (BlockKind.HEADING, "Limits"),
        (BlockKind.PARAGRAPH, "Every limit is checked."),
        (BlockKind.COMMENT, "Ben: By whom?"),
        (BlockKind.LIST, "- first\n- second"),
        (BlockKind.TABLE, "| Grade | Limit | From\\|to |\n| none at all |  |  |"),
        (BlockKind.PARAGRAPH, "Pay within 14 days"),
        (BlockKind.DELETED, "[deleted by Ann: 30]"),
        (BlockKind.PARAGRAPH, "In a box"),
        (BlockKind.PARAGRAPH, "Nobody sees this"),
        (BlockKind.PARAGRAPH, "Filled in: yes"),
        (BlockKind.FOOTER, "Page of the policy"),
    ]


def test_what_a_reader_of_a_document_must_know_is_flagged(source: Writes) -> None:
    found = blocks(source(WORD, "policy.docx"))

    assert {block.text: block.flags for block in found if block.flags} == {
        "[deleted by Ann: 30]": ("deleted",),
        "Nobody sees this": ("hidden",),
    }
    assert {block.heading for block in found[3:-1]} == {"Limits"}
    assert (found[3].location, found[6].location) == ("paragraph 3", "table 1")


def test_footnotes_follow_the_paragraph_that_refers_to_them(source: Writes) -> None:
    namespace = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    note = b"<w:p><w:r><w:t>Since 2019.</w:t></w:r></w:p>"
    parts = {
        "word/document.xml": b"<w:document %s><w:body><w:p><w:r><w:t>Limits</w:t>"
        b'<w:footnoteReference w:id="2"/></w:r></w:p></w:body></w:document>' % namespace,
        # The sample has no notes: its settings make room for them.
        "word/settings.xml": b'<w:footnotes %s><w:footnote w:type="separator" w:id="0"/>'
        b'<w:footnote w:id="2">%s</w:footnote><w:footnote w:id="3">%s</w:footnote></w:footnotes>'
        % (namespace, note, note.replace(b"Since", b"Until")),
        "word/_rels/document.xml.rels": b"<Relationships><Relationship Id='a' Type='x/footnotes' "
        b"Target='settings.xml'/></Relationships>",
    }

    found = blocks(source(changed(WORD, parts), "a.docx"))

    assert [(block.kind, block.text) for block in found] == [
        (BlockKind.PARAGRAPH, "Limits[footnote 2]"),
        (BlockKind.NOTE, "[footnote 2] Since 2019."),
        (BlockKind.NOTE, "[footnote 3] Until 2019."),
    ]


def test_slides_have_their_titles_notes_and_tables(source: Writes) -> None:
    found = blocks(source(SLIDES, "kickoff.pptx"))

    assert [(block.kind, block.text, block.location) for block in found] == [
        (BlockKind.HEADING, "Goals", "slide 1"),
        (BlockKind.LIST, "- Fewer errors\n- Faster approval", "slide 1"),
        (BlockKind.TABLE, "| Team | Lending |", "slide 1"),
        (BlockKind.PARAGRAPH, "in a group", "slide 1"),
        (BlockKind.NOTE, "Ask for the numbers.", "slide 1"),
        (BlockKind.HEADING, "Slide 2", "slide 2"),
        (BlockKind.PARAGRAPH, "old plan", "slide 2"),
    ]
    assert {block.flags for block in found if block.location == "slide 1"} == {()}
    assert {block.flags for block in found if block.location == "slide 2"} == {("hidden",)}


def test_what_office_documents_say_of_themselves(source: Writes) -> None:
    about = WordConverter().properties(source(WORD, "a.docx"))
    assert (about["title"], about["author"], about["created"]) == (
        *("Credit policy", "Ann"),
        "2026-10-05T08:00:00Z",
    )
    about = SlidesConverter().properties(source(SLIDES, "a.pptx"))
    assert (about["title"], about["slides"]) == ("Kick-off", "2")


@pytest.mark.parametrize(
    ("content", "name", "converter", "warned"),
    [
        (WORD, "a.docx", "word", False),
        (SLIDES, "a.pptx", "slides", False),
        (WORD, "a.pptx", "word", True),
        (SLIDES, "a.txt", "slides", True),
        (WORD[:3000], "a.docx", "word", False),
        (ole("EncryptedPackage"), "a.docx", "word", False),
    ],
)
def test_content_tells_an_office_document(
    source: Writes, content: bytes, name: str, converter: str, *, warned: bool
) -> None:
    found = detect(source(content, name), default_converters())

    assert found.converter is not None
    assert (found.converter.name, bool(found.warnings)) == (converter, warned)


NAMESPACES = (b"<?xml version='1.0'?><!DOCTYPE w [<!ENTITY a 'x'>]><w><body>&a;</body></w>", b"<w>")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda: ole("EncryptedPackage"), "encrypted"),
        (lambda: WORD[:3000], "corrupt"),
        (lambda: b"PK\x03\x04" + bytes(100), "corrupt"),
        (lambda: changed(WORD, {"word/document.xml": NAMESPACES[0]}), "xml_entities"),
        (lambda: changed(WORD, {"word/document.xml": NAMESPACES[1]}), "corrupt"),
        (lambda: changed(WORD, {"word/document.xml": b"<a>" * 250 + b"</a>" * 250}), "too_deep"),
        (lambda: changed(WORD, {"word/document.xml": None}), "corrupt"),
        (lambda: changed(WORD, {"_rels/.rels": None}), "corrupt"),
    ],
)
def test_an_office_document_that_cannot_be_read_is_refused(
    source: Writes, broken: Callable[[], bytes], reason: str
) -> None:
    with pytest.raises(CorruptInput) as refused:
        blocks(source(broken(), "a.docx"))
    assert refused.value.reason == reason


def test_an_archive_that_swells_is_refused(source: Writes) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", bytes(257 << 20))

    with pytest.raises(CorruptInput) as refused:
        blocks(source(bomb.getvalue(), "a.docx"))
    assert refused.value.reason == "too_large_inside"


@pytest.mark.parametrize(("content", "name"), [(WORD, "a.docx"), (SLIDES, "a.pptx")])
def test_damaged_office_documents_are_read_or_refused(
    source: Writes, content: bytes, name: str
) -> None:
    outcomes = set()
    for at in range(0, len(content), len(content) // 20):
        damaged = bytearray(content)
        damaged[at] ^= 0x5A
        try:
            outcomes.add(bool(blocks(source(bytes(damaged), name))))
        except CorruptInput:
            outcomes.add(False)
    assert outcomes == {True, False}
