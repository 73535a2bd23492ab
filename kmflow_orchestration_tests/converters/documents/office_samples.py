"""Word and PowerPoint files as their libraries write them, and archives changed by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import docx
import pptx
from docx.oxml import parse_xml
from pptx.util import Inches

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_CHANGED = f"""<w:p {_W}><w:r><w:t xml:space="preserve">Pay within </w:t></w:r>
<w:del w:id="1" w:author="Ann"><w:r><w:delText>30</w:delText></w:r></w:del>
<w:ins w:id="2" w:author="Ann"><w:r><w:t>14</w:t></w:r></w:ins><w:r><w:t> days</w:t></w:r></w:p>"""
_BOX = f"""<w:p {_W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
 xmlns:v="urn:v"><w:r><mc:AlternateContent><mc:Choice Requires="wps"><v:shape><w:txbxContent>
 <w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></v:shape></mc:Choice>
<mc:Fallback><v:shape><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>
</v:shape></mc:Fallback></mc:AlternateContent></w:r></w:p>"""
_HIDDEN = f"<w:p {_W}><w:r><w:rPr><w:vanish/></w:rPr><w:t>Nobody sees this</w:t></w:r></w:p>"
_FORM = f"""<w:sdt {_W}><w:sdtContent><w:p><w:r><w:t>Filled in: yes</w:t></w:r></w:p>
</w:sdtContent></w:sdt>"""


def word() -> bytes:
    """Policy with headings, lists, a merged table, tracked changes, a box, a comment, margins."""
    document = docx.Document()
    document.core_properties.title = "Credit policy"
    document.core_properties.author = "Ann"
    document.core_properties.created = datetime(2026, 10, 5, 8, tzinfo=UTC)
    document.sections[0].header.paragraphs[0].text = "Internal"
    document.sections[0].footer.paragraphs[0].text = "Page of the policy"
    document.add_heading("Credit policy", 0)
    document.add_heading("Limits", 1)
    checked = document.add_paragraph("Every limit is checked.")
    document.add_comment(checked.runs, text="By whom?", author="Ben", initials="B")
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph("second", style="List Number")
    table = document.add_table(2, 3)
    for at, text in enumerate(("Grade", "Limit", "From|to")):
        table.cell(0, at).text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "none\nat all"
    body = document.element.body
    for raw in (_CHANGED, _BOX, _HIDDEN, _FORM):
        body.insert(len(body) - 1, parse_xml(raw))
    return _saved(document.save)


def slides() -> bytes:
    """Two slides: one with bullets, a table, notes and a group; the other hidden."""
    deck = pptx.Presentation()
    deck.core_properties.title = "Kick-off"
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Goals"
    first.placeholders[1].text = "Fewer errors\nFaster approval"
    cells = first.shapes.add_table(1, 2, *map(Inches, (1, 4, 4, 1))).table
    cells.cell(0, 0).text, cells.cell(0, 1).text = "Team", "Lending"
    group = first.shapes.add_group_shape()
    group.shapes.add_textbox(*map(Inches, (1, 1, 1, 1))).text_frame.text = "in a group"
    first.notes_slide.notes_text_frame.text = "Ask for the numbers."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    second.shapes.add_textbox(*map(Inches, (1, 1, 1, 1))).text_frame.text = "old plan"
    second.element.set("show", "0")
    return _saved(deck.save)


def changed(content: bytes, parts: Mapping[str, bytes | None]) -> bytes:
    """An archive with other content in some parts, and with new ones; None takes a part out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            kept = parts.get(name, old.read(name))
            if kept is not None:
                new.writestr(name, kept, zipfile.ZIP_DEFLATED)
        for name in parts.keys() - set(old.namelist()):
            new.writestr(name, parts[name] or b"", zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()
