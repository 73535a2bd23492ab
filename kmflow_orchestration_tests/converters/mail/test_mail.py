"""E-mail of three kinds as text (row D39)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.interface import BlockKind, Source, TextBlock
from kmflow_orchestration.converters.mail.converter import MailConverter
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.mail.outlook_file import (
    attached,
    attached_message,
    message,
    outlook,
    recipient,
)

LOANS = b"id,amount\n1,2\n"
HASH = hashlib.sha256(LOANS).hexdigest()
LISTED = f"""Attachments:
| name | type | bytes | sha256 |
| loans.csv | text/csv | {len(LOANS)} | {HASH} |"""
HEADERS = """From: Änne <aenne@example.com>
To: b@example.com, c@example.com
Date: 2026-10-05T07:12:00+00:00
Message-ID: <1@example.com>"""


def mail(
    subject: str = "Prüfung der Konten", text: str = "Dear all,\n\nplease look.\n"
) -> EmailMessage:
    written = EmailMessage(policy=SMTP)
    written["From"] = "Änne <aenne@example.com>"
    written["To"] = "b@example.com, c@example.com"
    written["Subject"] = subject
    written["Date"] = "Mon, 05 Oct 2026 09:12:00 +0200"
    written["Message-ID"] = "<1@example.com>"
    written.set_content(text)
    return written


def with_attachment() -> EmailMessage:
    written = mail()
    written.add_alternative("<p>Dear all, <b>please</b> look.</p>", subtype="html")
    written.add_attachment(LOANS, maintype="text", subtype="csv", filename="../../etc/loans.csv")
    return written


def forwarded() -> EmailMessage:
    written = mail("Fwd", "See below.\n")
    written.add_attachment(with_attachment())
    return written


MSG = outlook(
    {0x0037: "Quarter end", 0x1000: "Numbers follow.\n\nRegards", 0x0C1A: "Ann", 0x5D01: "a@e.com"},
    sent=datetime(2026, 10, 5, 7, 12, tzinfo=UTC),
    recipients=[recipient("Ben", "b@e.com"), recipient("c@e.com", "c@e.com", kind=2)],
    attachments=[
        attached("C:\\temp\\loans.csv", LOANS),
        attached_message(message({0x0037: "Earlier", 0x1000: "As agreed."})),
    ],
)


def blocks(source: Source) -> list[TextBlock]:
    return list(MailConverter().open_text(source))


def texts(found: Sequence[TextBlock]) -> list[str]:
    return [block.text for block in found]


def test_a_mail_has_its_headers_its_text_and_its_attachments(source: Writes) -> None:
    found = blocks(source(bytes(with_attachment()), "a.eml"))

    assert [block.kind for block in found] == [
        BlockKind.HEADING,
        BlockKind.PROPERTIES,
        BlockKind.PARAGRAPH,
        BlockKind.PARAGRAPH,
        BlockKind.TABLE,
    ]
    assert texts(found) == [
        "Prüfung der Konten",
        HEADERS,
        "Dear all,",
        "please look.",
        LISTED,
    ]


def test_a_mail_of_html_alone_gives_its_words(source: Writes) -> None:
    written = mail()
    written.set_content("<h1>Notice</h1><p>All <b>is</b> well</p>", subtype="html")

    found = blocks(source(bytes(written), "a.eml"))

    assert texts(found[2:]) == ["Notice", "All is well"]
    assert found[3].heading == "Notice"


def test_a_message_inside_another_is_read_below_it(source: Writes) -> None:
    found = blocks(source(bytes(forwarded()), "a.eml"))

    inner = [block for block in found if block.location == "message 1.1"]
    assert texts(inner)[0] == "Prüfung der Konten"
    assert HASH in inner[-1].text
    assert "See below." in texts(found)


def test_a_mailbox_is_read_message_by_message(source: Writes) -> None:
    first = bytes(mail("One", "Body\n\n>From here on\n"))
    content = b"".join(
        b"From a@example.com Mon Oct  5 09:12:00 2026\n%s\n\n" % one.replace(b"\r\n", b"\n")
        for one in (first, bytes(mail("Two")))
    )

    found = blocks(source(content, "all.mbox"))

    headings = [(one.text, one.location) for one in found if one.kind is BlockKind.HEADING]
    assert headings == [("One", "message 1"), ("Two", "message 2")]
    assert "From here on" in texts(found)
    assert MailConverter().properties(source(content, "all.mbox")) == {"messages": "2"}


def test_an_outlook_message_is_read_with_what_is_attached(source: Writes) -> None:
    found = blocks(source(MSG, "a.msg"))

    assert [(block.text, block.location) for block in found] == [
        ("Quarter end", "message 1"),
        (
            "From: Ann <a@e.com>\nTo: Ben <b@e.com>\nCc: c@e.com\nDate: 2026-10-05T07:12:00+00:00",
            "message 1",
        ),
        ("Numbers follow.", "message 1"),
        ("Regards", "message 1"),
        (
            LISTED,
            "message 1",
        ),
        ("Earlier", "message 1.1"),
        ("As agreed.", "message 1.1"),
    ]


def test_an_outlook_message_of_html_alone_gives_its_words(source: Writes) -> None:
    content = outlook({0x0037: "Hi"}, html=b"<p>from <i>html</i></p>")
    assert texts(blocks(source(content, "a.msg")))[-1] == "from html"


def test_what_a_mail_says_of_itself(source: Writes) -> None:
    assert MailConverter().properties(source(bytes(mail()), "a.eml")) == {
        "title": "Prüfung der Konten",
        "author": "Änne <aenne@example.com>",
        "created": "2026-10-05T07:12:00+00:00",
        "message_id": "<1@example.com>",
    }
    about = MailConverter().properties(source(MSG, "a.msg"))
    assert (about["title"], about["author"]) == ("Quarter end", "Ann <a@e.com>")


@pytest.mark.parametrize(
    ("head", "body", "text", "flags"),
    [
        (b"", "Größe".encode("cp1252"), "Größe", ("charset_guessed",)),
        (b"Content-Type: text/plain; charset=nonsense\n", "Größe".encode(), "Größe", None),
        (b"Content-Type: text/plain; charset=latin-1\n", "Größe".encode("latin-1"), "Größe", ()),
        (b"Date: someday\n", b"plain", "plain", ()),
    ],
)
def test_a_charset_that_is_missing_or_wrong_is_guessed_and_flagged(
    source: Writes, head: bytes, body: bytes, text: str, flags: tuple[str, ...] | None
) -> None:
    found = blocks(source(b"From: a@e.com\nSubject: x\n" + head + b"\n" + body, "a.eml"))

    assert found[-1].text == text
    assert found[-1].flags == (("charset_guessed",) if flags is None else flags)


def test_a_sealed_mail_keeps_its_headers_and_is_flagged(source: Writes) -> None:
    kind = b"Content-Type: application/pkcs7-mime; name=smime.p7m"
    sealed = b"From: a@e.com\nSubject: secret\n%s\n\nxx" % kind
    found = blocks(source(sealed, "a.eml"))

    assert {block.flags for block in found} == {("encrypted",)}
    assert "smime.p7m" in found[-1].text


@pytest.mark.parametrize(
    ("content", "name", "warned"),
    [
        (bytes(mail()), "a.eml", False),
        (bytes(mail()), "a.txt", True),
        (b"From a@e.com Mon Oct  5 09:12:00 2026\nFrom: a\nTo: b\n\nx", "a.mbox", False),
        (MSG, "a.msg", False),
        (MSG, "a.xls", True),
        (b"no header at all", "a.eml", False),
    ],
)
def test_content_tells_a_mail(source: Writes, content: bytes, name: str, *, warned: bool) -> None:
    found = detect(source(content, name), default_converters())

    assert found.converter is not None
    assert (found.converter.name, bool(found.warnings)) == ("mail", warned)


def test_notes_that_begin_like_a_mail_stay_notes(source: Writes) -> None:
    notes = "From: Ann\nSubject: the workshop\n\nWe met at nine.\n"
    found = detect(source(notes, "a.txt"), default_converters()).converter
    assert found is not None
    assert found.name == "plain_text"


def nested(depth: int) -> bytes:
    head = b"From: a@e.com\nSubject: x\nContent-Type: message/rfc822\n\n"
    return head * depth + b"From: a@e.com\n\nend\n"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"no header at all", "a.eml", "corrupt"),
        (b"", "a.eml", "corrupt"),
        (nested(30), "a.eml", "too_deep"),
        (nested(1200), "a.eml", "corrupt"),
        (outlook({}), "a.msg", "corrupt"),
    ],
    ids=["no header", "empty", "deep", "deeper", "no message"],
)
def test_a_mail_that_cannot_be_read_is_refused(
    source: Writes, content: bytes, name: str, reason: str
) -> None:
    with pytest.raises(CorruptInput) as refused:
        blocks(source(content, name))
    assert refused.value.reason == reason


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_an_outlook_message_that_is_cut_off_is_refused(source: Writes, share: float) -> None:
    with pytest.raises(CorruptInput):
        blocks(source(MSG[: int(len(MSG) * share)], "a.msg"))


def test_a_mail_that_is_cut_off_is_read_as_far_as_it_goes_and_flagged(source: Writes) -> None:
    whole = bytes(with_attachment())

    found = blocks(source(whole[: len(whole) - 30], "a.eml"))

    assert {block.flags for block in found} == {("cut_off",)}
    assert "please look." in texts(found)


@pytest.mark.parametrize("name", ["a.eml", "a.mbox", "a.msg"])
def test_noise_is_no_mail(source: Writes, name: str) -> None:
    with pytest.raises(CorruptInput):
        detect(source(bytes(range(256)) * 20, name), default_converters())


@pytest.mark.parametrize(
    ("content", "name"), [(bytes(forwarded()), "a.eml"), (MSG, "a.msg")], ids=["eml", "msg"]
)
def test_damaged_mails_are_read_or_refused(source: Writes, content: bytes, name: str) -> None:
    read = 0
    for at in range(0, len(content), max(1, len(content) // 25)):
        damaged = bytearray(content)
        damaged[at] ^= 0x55
        try:
            read += bool(blocks(source(bytes(damaged), name)))
        except CorruptInput:
            continue
    assert read
