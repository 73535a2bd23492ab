"""Messages as they travel (RFC 5322 and MIME), from bytes."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from datetime import UTC
from email import message_from_bytes
from email.errors import CloseBoundaryNotFoundDefect
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias

from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.mail.message import MAX_DEPTH, Attachment, MailMessage
from kmflow_orchestration.errors import CorruptInput

TOLD = ("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Message-ID", "In-Reply-To")
_GUESSED, _ENCRYPTED, _CUT_OFF = "charset_guessed", "encrypted", "cut_off"
_SEALED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})

_Bodies: TypeAlias = list[tuple[str, bool]]


def read_message(content: bytes) -> MailMessage:
    """One message.

    Raises:
        CorruptInput: no header begins it, or its parts lie too deep (`too_deep`).
    """
    message = message_from_bytes(content, policy=default)
    if not message.keys():
        raise CorruptInput("no header begins this message")
    return _read(message, 0)


def _read(message: Any, depth: int) -> MailMessage:
    if depth > MAX_DEPTH:
        raise CorruptInput(f"messages inside {MAX_DEPTH} others", reason="too_deep")
    parts = _Parts(depth)
    bodies = parts.read(message)
    date = utc_date(header(message, "Date"))
    headers = [(name, header(message, name)) for name in TOLD]
    headers = [(name, date if name == "Date" and date else value) for name, value in headers]
    return MailMessage(
        header(message, "Subject"),
        [*headers, ("References", header(message, "References"))],
        date,
        bodies,
        parts.attachments,
        parts.nested,
        tuple(sorted(parts.flags)),
        "\n".join(parts.html),
        [(str(name), " ".join(str(value).split())) for name, value in message.raw_items()],
    )


def header(message: Any, name: str) -> str:
    """A header's text with its encoded words decoded; '' without it."""
    try:
        with refusals_of("header"):
            return str(message.get(name, ""))
    # A malformed address or date: then as it stands.
    except CorruptInput:
        raw = (value for key, value in message.raw_items() if key.lower() == name.lower())
        return str(next(raw, ""))


def utc_date(text: str) -> str:
    """A date header as ISO 8601 in UTC; '' for what is no date."""
    try:
        found = parsedate_to_datetime(text)
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return ""
    return moment.isoformat()


class _Parts:
    """What is found while the parts of a message are walked."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.attachments: list[Attachment] = []
        self.nested: list[MailMessage] = []
        self.flags: set[str] = set()
        self.html: list[str] = []

    def read(self, part: Any) -> _Bodies:
        """Texts of a part to show one after the other; the rest is put where it belongs."""
        kind = part.get_content_type()
        if kind in _SEALED:
            self.flags.add(_ENCRYPTED)
        if kind.startswith("message/") and part.is_multipart():
            self._inner(part)
            return []
        if any(isinstance(one, CloseBoundaryNotFoundDefect) for one in part.defects):
            self.flags.add(_CUT_OFF)
        if part.is_multipart():
            found = [self.read(one) for one in part.get_payload()]
            if kind == "multipart/alternative":
                return _chosen(found)
            return [body for bodies in found for body in bodies]
        return self._leaf(part, kind)

    def _inner(self, part: Any) -> None:
        for inner in part.get_payload():
            # A report's parts are headers without a message: told as a message all the same.
            self.nested.append(_read(inner, self._depth + 1))

    def _leaf(self, part: Any, kind: str) -> _Bodies:
        content = part.get_payload(decode=True) or b""
        name = _file_name(part)
        is_body = kind in ("text/plain", "text/html") and not name
        if is_body and part.get_content_disposition() != "attachment":
            text = self._decoded(content, part)
            if kind == "text/html":
                self.html.append(text)
            return [(text, kind == "text/html")]
        if content or name:
            self.attachments.append(Attachment.of(name, kind, content))
        return []

    def _decoded(self, content: bytes, part: Any) -> str:
        said = part.get_content_charset() or ""
        try:
            return content.decode(codecs.lookup(said).name if said else "ascii")
        except (LookupError, UnicodeDecodeError):
            self.flags.add(_GUESSED)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return content.decode("cp1252", "replace")


def _chosen(alternatives: Sequence[_Bodies]) -> _Bodies:
    """Of the same text in several forms the plain one, unless it is empty."""
    filled = [bodies for bodies in alternatives if any(text.strip() for text, _ in bodies)]
    plain = (bodies for bodies in filled if not any(is_html for _, is_html in bodies))
    return next(plain, filled[-1] if filled else [])


def _file_name(part: Any) -> str:
    """The name alone: a path in it would be somebody else's (row D20)."""
    try:
        with refusals_of("header"):
            name = part.get_filename() or ""
    except CorruptInput:
        name = "(unreadable name)"
    return PurePosixPath(PureWindowsPath(str(name)).name).name
