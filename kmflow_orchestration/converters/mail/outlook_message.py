"""Outlook's own format (.msg): properties of a message, its recipients and attachments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from kmflow_orchestration.converters.mail.message import MAX_DEPTH, Attachment, MailMessage
from kmflow_orchestration.errors import CorruptInput

_NESTED = "__substg1.0_3701000D"
# Where properties begin in their stream differs by what they belong to.
_OF_FILE, _OF_NESTED, _OF_ATTACHMENT = 32, 24, 8
_SUBJECT, _BODY, _HTML, _RTF = 0x0037, 0x1000, 0x1013, 0x1009
_HEADERS = 0x007D
_SENDER = (0x0C1A, (0x5D01, 0x0C1F))
_RECIPIENT = (0x3001, (0x39FE, 0x3003))
_RECIPIENT_KIND = 0x0C15
_KINDS = {1: "To", 2: "Cc", 3: "Bcc"}
_SENT, _DELIVERED = 0x0039, 0x0E06
_IDS = (("Message-ID", 0x1035), ("In-Reply-To", 0x1042), ("References", 0x1039))
_FILE_NAMES, _FILE_TYPE, _FILE_DATA = (0x3707, 0x3704, 0x3001), 0x370E, 0x3701
_UNKNOWN_TYPE = "application/octet-stream"


def read_outlook(path: Path) -> MailMessage:
    """The message of a file, with those attached to it.

    Raises:
        CorruptInput: nothing of a message is in it, or they lie too deep (`too_deep`).
    """
    from olefile import DEFECT_INCORRECT, OleFileIO
    from oxmsg.storage import Storage

    # What is cut off would otherwise read as a message with less in it.
    with OleFileIO(path, raise_defects=DEFECT_INCORRECT) as container:
        found = _read(Storage.from_ole(container), _OF_FILE, depth=0)
    if not (found.subject or found.bodies or found.attachments or found.nested):
        raise CorruptInput("no part of a message is in this file")
    return found


def _read(storage: Any, offset: int, *, depth: int) -> MailMessage:
    if depth > MAX_DEPTH:
        raise CorruptInput(f"messages inside {MAX_DEPTH} others", reason="too_deep")
    found = _properties(storage, offset)
    date = _date(found)
    html = _html(found)
    bodies = list(_bodies(found, html))
    files = [_Attached(one) for one in storage.iter_attachment_storages()]
    return MailMessage(
        found.str_prop_value(_SUBJECT) or "",
        [
            ("From", _address(found, *_SENDER)),
            *_recipients(storage),
            ("Date", date),
            *((name, found.str_prop_value(pid) or "") for name, pid in _IDS),
        ],
        date,
        bodies,
        [one.listed() for one in files if one.nested is None],
        [_read(one.nested, _OF_NESTED, depth=depth + 1) for one in files if one.nested is not None],
        # Its text lies in compressed RTF alone, which nobody here reads.
        ("rtf_body",) if not bodies and found.binary_prop_value(_RTF) else (),
        html,
        _transport_headers(found),
    )


def _properties(storage: Any, offset: int) -> Any:
    from oxmsg.properties import Properties

    return Properties(storage, properties_header_offset=offset)


def _date(found: Any) -> str:
    moment = found.date_prop_value(_SENT) or found.date_prop_value(_DELIVERED)
    return "" if moment is None else moment.astimezone(UTC).isoformat()


def _bodies(found: Any, html: str) -> Iterator[tuple[str, bool]]:
    plain = found.str_prop_value(_BODY) or ""
    if plain.strip():
        yield plain, False
    elif html:
        yield html, True


def _html(found: Any) -> str:
    html = found.binary_prop_value(_HTML)
    text = html.decode(found.body_encoding, "replace") if html else found.str_prop_value(_HTML)
    return text or ""


def _transport_headers(found: Any) -> list[tuple[str, str]]:
    """As they came in; none for what was never sent."""
    text = found.str_prop_value(_HEADERS) or ""
    parsed = HeaderParser().parsestr(text)
    return [(name, " ".join(str(value).split())) for name, value in parsed.raw_items()]


def _recipients(storage: Any) -> Iterator[tuple[str, str]]:
    """One header for each kind of recipients."""
    told: dict[str, list[str]] = {}
    for one in storage.iter_recipient_storages():
        found = _properties(one, _OF_ATTACHMENT)
        kind = _KINDS.get(found.int_prop_value(_RECIPIENT_KIND) or 1, "To")
        told.setdefault(kind, []).append(_address(found, *_RECIPIENT))
    for kind in _KINDS.values():
        if kind in told:
            yield kind, ", ".join(told[kind])


def _address(found: Any, name_id: int, address_ids: tuple[int, ...]) -> str:
    name = found.str_prop_value(name_id) or ""
    texts = (found.str_prop_value(one) or "" for one in address_ids)
    address = next((text for text in texts if "@" in text), "")
    if not address or address == name:
        return name
    return f"{name} <{address}>" if name else address


class _Attached:
    """`nested` is the storage of a message that is attached as such, else None."""

    def __init__(self, storage: Any) -> None:
        self._found = _properties(storage, _OF_ATTACHMENT)
        self.nested = next((one for one in storage.storages if one.name == _NESTED), None)

    def listed(self) -> Attachment:
        names = (self._found.str_prop_value(one) or "" for one in _FILE_NAMES)
        name = next(filter(None, names), "")
        # The name alone: a path in it would be somebody else's (row D20).
        name = PurePosixPath(PureWindowsPath(name).name).name
        kind = self._found.str_prop_value(_FILE_TYPE) or _UNKNOWN_TYPE
        return Attachment.of(name, kind, self._found.binary_prop_value(_FILE_DATA) or b"")
