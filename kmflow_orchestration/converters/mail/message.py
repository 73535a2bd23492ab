"""A message as every kind of mail file comes down to, and its text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.documents.html import parsed
from kmflow_orchestration.converters.documents.html_text import html_blocks
from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.text_tables import as_text

# Deeper than people forward.
MAX_DEPTH = 20
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message; it is listed, not opened."""

    name: str
    type: str
    size_bytes: int
    sha256: str
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, name: str, media_type: str, content: bytes) -> Attachment:
        digest = hashlib.sha256(content).hexdigest()
        return cls(name or "(no name)", media_type, len(content), digest, content)


@dataclass(frozen=True, slots=True)
class MailMessage:
    """`headers` are those that people read, in order; `date` is ISO 8601 in UTC, '' if unknown.

    `bodies` are texts with whether they are HTML: of the same text in several forms one alone.
    `html` is all HTML of the text. `flags` are those of its blocks; `all_headers` are those of the
    file, as they stand there.
    """

    subject: str
    headers: Sequence[tuple[str, str]]
    date: str = ""
    bodies: Sequence[tuple[str, bool]] = ()
    attachments: Sequence[Attachment] = ()
    nested: Sequence[MailMessage] = ()
    flags: tuple[str, ...] = ()
    html: str = ""
    all_headers: Sequence[tuple[str, str]] = ()


def plain_text(message: MailMessage) -> str:
    """The text of a message without its headers; of HTML its words."""
    found = [
        "\n\n".join(block.text for block in _html(text)) if is_html else sound_lines(text)
        for text, is_html in message.bodies
    ]
    return "\n\n".join(filter(None, (text.strip("\n") for text in found)))


def sound_lines(text: str) -> str:
    """Lines that end as everywhere, and no character that texts do not have."""
    return text.replace("\r\n", "\n").replace("\x00", "")


def message_blocks(message: MailMessage, place: str) -> Iterator[TextBlock]:
    """Subject, headers, text, attachments, and the messages inside; `place` is its location."""
    subject = " ".join(message.subject.split()) or "(no subject)"
    heading = subject if len(subject) <= MAX_HEADING else f"{subject[: MAX_HEADING - 1]}…"
    flags = message.flags
    yield TextBlock(BlockKind.HEADING, heading, heading, place, flags)
    told = [f"{name}: {' '.join(value.split())}" for name, value in message.headers if value]
    if told:
        yield TextBlock(BlockKind.PROPERTIES, "\n".join(told), heading, place, flags)
    for text, is_html in message.bodies:
        for block in _html(text) if is_html else _plain(text):
            within = block.heading or heading
            yield replace(block, heading=within, location=place, flags=flags)
    if message.attachments:
        yield TextBlock(BlockKind.TABLE, _listed(message.attachments), heading, place, flags)
    for number, inner in enumerate(message.nested, start=1):
        yield from message_blocks(inner, f"{place}.{number}")


def _plain(text: str) -> Iterator[TextBlock]:
    for piece in _BLANK_LINES.split(sound_lines(text)):
        if piece.strip():
            yield TextBlock(BlockKind.PARAGRAPH, piece.strip("\n"))


def _html(text: str) -> Iterator[TextBlock]:
    body = parsed(text).body
    return iter(()) if body is None else html_blocks(body)


def _listed(attachments: Sequence[Attachment]) -> str:
    rows = [(one.name, one.type, str(one.size_bytes), one.sha256) for one in attachments]
    return "Attachments:\n" + as_text([("name", "type", "bytes", "sha256"), *rows])
