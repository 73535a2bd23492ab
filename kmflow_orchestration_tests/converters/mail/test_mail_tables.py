"""Messages and their attachments as tables (row D39)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kmflow_orchestration.converters.interface import ContainsFiles, DocumentReading, Source
from kmflow_orchestration.converters.mail.converter import MailConverter
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.mail.test_mail import (
    HASH,
    LOANS,
    MSG,
    forwarded,
    mail,
    with_attachment,
)
from kmflow_orchestration_tests.converters.reading import all_values

SENT = datetime(2026, 10, 5, 7, 12, tzinfo=UTC)


def reading(source: Source) -> DocumentReading:
    return MailConverter().read_document(source)


def table(found: DocumentReading, part: str) -> list[dict[str, Any]]:
    one = next(one for one in found.tables if one.part == part)
    return [{name: v for name, v in row.items() if v is not None} for row in all_values(one)]


def test_a_message_is_a_row_with_both_forms_of_its_text(source: Writes) -> None:
    written = with_attachment()
    written["Cc"] = '"Doe, Jo" <jo@example.com>'
    written["In-Reply-To"] = "<0@example.com>"
    written["Received"] = "from a"
    written["Received"] = "from b"

    found = reading(source(bytes(written), "a.eml"))

    [row] = table(found, "messages")
    assert (row["message"], row["message_id"], row["date"]) == ("1", "<1@example.com>", SENT)
    assert (row["from"], row["subject"]) == ("Änne <aenne@example.com>", "Prüfung der Konten")
    assert json.loads(row["to"]) == ["b@example.com", "c@example.com"]
    assert json.loads(row["cc"]) == ['"Doe, Jo" <jo@example.com>']
    assert row["in_reply_to"] == "<0@example.com>"
    assert row["body_text"] == "Dear all,\n\nplease look."
    assert row["body_html"].strip() == "<p>Dear all, <b>please</b> look.</p>"
    assert json.loads(row["duplicate_headers"]) == {"received": ["from a", "from b"]}
    assert ["Received", "from b"] in json.loads(row["headers"])
    assert not {"flags", "parent"} & row.keys()


def test_attachments_are_rows_of_their_own(source: Writes) -> None:
    found = reading(source(bytes(forwarded()), "a.eml"))

    assert [(row["message"], row.get("parent")) for row in table(found, "messages")] == [
        ("1", None),
        ("1.1", "1"),
    ]
    [row] = table(found, "attachments")
    assert (row["message"], row["name"], row["type"]) == ("1.1", "loans.csv", "text/csv")
    assert (row["size_bytes"], row["sha256"]) == (len(LOANS), HASH)


def test_a_mailbox_has_a_row_for_every_message(source: Writes) -> None:
    content = b"".join(
        b"From a@example.com Mon Oct  5 09:12:00 2026\n%s\n\n" % bytes(one).replace(b"\r\n", b"\n")
        for one in (mail("One"), mail("Two"), mail("Three"))
    )

    found = reading(source(content, "all.mbox"))

    assert [row["subject"] for row in table(found, "messages")] == ["One", "Two", "Three"]
    assert [one.part for one in found.tables] == ["documents", "messages"]


def test_an_outlook_message_has_the_same_columns(source: Writes) -> None:
    found = reading(source(MSG, "a.msg"))

    first, inner = table(found, "messages")
    assert (first["date"], json.loads(first["to"])) == (SENT, ["Ben <b@e.com>"])
    assert (inner["message"], inner["parent"], inner["body_text"]) == ("1.1", "1", "As agreed.")
    assert [row["name"] for row in table(found, "attachments")] == ["loans.csv"]


def test_a_guessed_charset_and_a_date_that_is_none_are_flagged(source: Writes) -> None:
    content = b"From: a@e.com\nTo: b@e.com\nDate: soon\nSubject: x\n\nGr\xfc\xdfe\n"

    [row] = table(reading(source(content, "a.eml")), "messages")

    assert (row["body_text"], row["flags"]) == ("Grüße", "charset_guessed date_unreadable")
    assert "date" not in row
    assert ["Date", "soon"] in json.loads(row["headers"])


def test_the_files_inside_are_given_out_with_their_bytes(source: Writes) -> None:
    converter: object = MailConverter()
    assert isinstance(converter, ContainsFiles)

    [file] = converter.contained_files(source(bytes(forwarded()), "a.eml"))

    assert (file.name, file.sha256, file.content) == ("loans.csv", HASH, LOANS)
