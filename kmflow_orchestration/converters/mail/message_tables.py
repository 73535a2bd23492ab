"""Messages as tables: a row for each, also inside another, and one for each attachment (D39)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import formataddr, getaddresses

from kmflow_orchestration.converters.document_tables import (
    LONG,
    Columns,
    as_json,
    declared_table,
)
from kmflow_orchestration.converters.interface import TextBlock
from kmflow_orchestration.converters.mail.message import MailMessage, message_blocks, plain_text
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.type_lattice import STRING, TIMESTAMP

_UNREADABLE_DATE = "date_unreadable"
_MESSAGES: Columns = (
    *((name, STRING) for name in ("message", "parent", "message_id")),
    ("date", TIMESTAMP),
    *((name, STRING) for name in ("from", "to", "cc", "bcc", "reply_to", "subject")),
    *((name, STRING) for name in ("in_reply_to", "references", "body_text", "body_html")),
    ("attachments", LONG),
    *((name, STRING) for name in ("headers", "duplicate_headers", "flags")),
)
_ATTACHMENTS: Columns = (
    ("message", STRING),
    ("position", LONG),
    *((name, STRING) for name in ("name", "type")),
    ("size_bytes", LONG),
    ("sha256", STRING),
)


@dataclass(slots=True)
class Gathered:
    """Rows and text while messages stream past; mutable for that."""

    messages: list[tuple[object, ...]] = field(default_factory=list)
    attachments: list[tuple[object, ...]] = field(default_factory=list)
    blocks: list[TextBlock] = field(default_factory=list)

    def take(self, message: MailMessage, number: int) -> None:
        """One message with those inside it; none of its bytes are kept."""
        self.blocks += message_blocks(message, f"message {number}")
        for place, parent, one in numbered(message, str(number)):
            self.messages.append(_row(place, parent, one))
            self.attachments += [
                (place, at, file.name, file.type, file.size_bytes, file.sha256)
                for at, file in enumerate(one.attachments, start=1)
            ]

    def tables(self, origin: Origin) -> list[MemoryTable]:
        """`messages`, and `attachments` if there are any."""
        found = [declared_table("messages", _MESSAGES, self.messages, origin)]
        if self.attachments:
            found.append(declared_table("attachments", _ATTACHMENTS, self.attachments, origin))
        return found


def numbered(message: MailMessage, place: str) -> Iterator[tuple[str, str, MailMessage]]:
    """A message and those inside it, each with its own place and that of the one around it."""
    waiting = [(place, "", message)]
    while waiting:
        own, parent, one = waiting.pop(0)
        yield own, parent, one
        inner = [(f"{own}.{at}", own, nested) for at, nested in enumerate(one.nested, start=1)]
        waiting = inner + waiting


def _row(place: str, parent: str, message: MailMessage) -> tuple[object, ...]:
    told = dict(message.headers)
    is_dated = bool(_moment(message.date))
    flags = message.flags
    if told.get("Date") and not is_dated:
        flags = (*flags, _UNREADABLE_DATE)
    everything = message.all_headers or [(n, v) for n, v in message.headers if v]
    return (
        *(place, parent, told.get("Message-ID"), _moment(message.date), told.get("From")),
        *(_addresses(told.get(name, "")) for name in ("To", "Cc", "Bcc")),
        *(told.get("Reply-To"), message.subject, told.get("In-Reply-To"), told.get("References")),
        *(plain_text(message), message.html, len(message.attachments)),
        *(as_json(everything), _duplicates(everything), " ".join(sorted(flags))),
    )


def _moment(date: str) -> str:
    """A date that a table can hold: years that no clock had are none."""
    return date if "1900" <= date[:4] <= "9998" else ""


def _addresses(text: str) -> str:
    """A JSON list, '' for nobody."""
    found = [
        formataddr((name, address), charset="utf-8") if name.isascii() else f"{name} <{address}>"
        for name, address in getaddresses([text])
        if name or address
    ]
    return as_json(found) if found else ""


def _duplicates(headers: Sequence[tuple[str, str]]) -> str:
    """Headers that stand more than once, each with its values, as JSON; '' without any."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    repeated = {name: values for name, values in found.items() if len(values) > 1}
    return as_json(repeated) if repeated else ""
