"""E-mail (.eml, .mbox, .msg) as text: headers, bodies, attachments by name and hash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import Container, container_of, look_at
from kmflow_orchestration.converters.document_tables import documents_table, sound_blocks
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    ContainedFile,
    DocumentReading,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.mail.internet_message import read_message
from kmflow_orchestration.converters.mail.mailbox import MAX_MESSAGE_BYTES, messages_in
from kmflow_orchestration.converters.mail.message import MailMessage, message_blocks
from kmflow_orchestration.converters.mail.message_tables import Gathered, numbered
from kmflow_orchestration.converters.mail.outlook_message import read_outlook
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.errors import CorruptInput

_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:")
_USUAL = frozenset(
    {
        *(b"from", b"to", b"subject", b"date", b"received", b"return-path", b"delivered-to"),
        *(b"message-id", b"mime-version", b"content-type", b"reply-to", b"x-mailer"),
    }
)
# A note may begin with From and Subject; only what travelled has one of these.
_TRAVELLED = frozenset({b"message-id", b"received", b"mime-version", b"return-path"})
_HEAD_LINES = 60


@dataclass(frozen=True, slots=True)
class MailOptions(ReaderOptions):
    """`extract_attachments` is for who writes the result: what is read is the same."""

    extract_attachments: bool = False


class MailConverter(TextConverter):
    """Attachments are listed with type, size and hash; --extract-attachments converts them, too."""

    name: ClassVar[str] = "mail"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        "message/rfc822",
        "application/mbox",
        "application/vnd.ms-outlook",
    )
    suffixes: ClassVar[tuple[str, ...]] = (".eml", ".mbox", ".msg")
    libraries: ClassVar[tuple[str, ...]] = ("oxmsg", "selectolax")
    reader_options: ClassVar[type[ReaderOptions]] = MailOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By the headers that begin a message, a mailbox's first line, or Outlook's streams."""
        if look_at(head).is_container:
            if container_of(source.path, head) is Container.MSG:
                return 1.0
            return 0.6 if source.suffix == ".msg" else 0.0
        names = _header_names(head)
        is_usual = len(names & _USUAL) >= 2
        if source.suffix in (".eml", ".mbox"):
            is_text = look_at(head).is_text
            return 1.0 if is_usual else 0.5 if names or is_text else 0.0
        return 0.95 if is_usual and names & _TRAVELLED and names & {b"from", b"received"} else 0.0

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Message by message; those inside others are at `message 1.1` and so on."""
        with refusals_of("mail"):
            for number, message in enumerate(_messages(source), start=1):
                yield from message_blocks(message, f"message {number}")

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments; `messages` has a row for each, also for those inside others."""
        MailOptions.parse(options)
        origin, found = self.origin(source), Gathered()
        is_mailbox, properties = _is_mailbox(source), {"messages": "0"}
        with refusals_of("mail"):
            for number, message in enumerate(_messages(source), start=1):
                found.take(message, number)
                properties = {"messages": str(number)} if is_mailbox else _about(message)
        blocks = sound_blocks(found.blocks)
        about = documents_table(blocks, properties, origin)
        return DocumentReading(blocks, (about, *found.tables(origin)), "messages")

    def contained_files(self, source: Source) -> Iterator[ContainedFile]:
        """See ContainsFiles; only one message is in memory at a time."""
        with refusals_of("mail"):
            for number, message in enumerate(_messages(source), start=1):
                for _, _, one in numbered(message, str(number)):
                    for file in one.attachments:
                        yield ContainedFile(file.name, file.sha256, file.content)

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments; of a mailbox the number of its messages."""
        with refusals_of("mail"):
            if _is_mailbox(source):
                return {"messages": str(sum(1 for _ in messages_in(source.path)))}
            return _about(next(_messages(source)))


def _about(message: MailMessage) -> dict[str, str]:
    headers = dict(message.headers)
    found = {
        "title": message.subject,
        "author": headers.get("From", ""),
        "created": message.date,
        "message_id": headers.get("Message-ID", ""),
    }
    return {name: value for name, value in found.items() if value}


def _header_names(head: bytes) -> frozenset[bytes]:
    """Names of the headers that a file begins with, in lower case."""
    lines = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").splitlines()[:_HEAD_LINES]
    if lines and lines[0].startswith(b"From "):
        lines = lines[1:]
    names: set[bytes] = set()
    for line in lines:
        if line[:1] in (b" ", b"\t") and names:
            continue
        match = _HEADER.match(line)
        if match is None:
            break
        names.add(match[1].lower())
    return frozenset(names)


def _is_mailbox(source: Source) -> bool:
    with source.path.open("rb") as stream:
        return stream.read(5) == b"From "


def _messages(source: Source) -> Iterator[MailMessage]:
    if _is_mailbox(source):
        yield from map(read_message, messages_in(source.path))
        return
    if source.path.stat().st_size > MAX_MESSAGE_BYTES:
        raise CorruptInput("a message of more than 256 MiB", reason=TOO_LARGE)
    with source.path.open("rb") as stream:
        is_ole = stream.read(4) == b"\xd0\xcf\x11\xe0"
    if is_ole:
        yield read_outlook(source.path)
    else:
        content = source.path.read_bytes()
        yield read_message(content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
