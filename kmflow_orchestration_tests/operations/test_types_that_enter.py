"""Content decides whether a file enters; its name is a hint (rows B11, B12)."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.intake.entry_types import ALLOWED
from kmflow_orchestration.intake.reading import KEPT_BYTES
from kmflow_orchestration_tests.evidence_samples import executable, ole
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

NOISE = bytes(range(256)) * 20


def workbook(*, padding: int = 0) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("xl/media/large.bin", bytes(padding))
        target.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


def test_a_program_in_disguise_is_refused_alone(acme: LandingPlace) -> None:
    content = executable()
    acme.drop("e1/report.pdf", content)
    acme.drop("e1/notes.txt", "hello\n")

    stored = acme.take_in()

    (refused,) = stored.quarantined
    assert (refused.path, refused.code) == ("e1/report.pdf", "type_not_allowed")
    told = (hashlib.sha256(content).hexdigest(), f"{len(content)} bytes", "portable-executable")
    assert all(part in refused.message for part in told)
    assert acme.store.sent == ["notes.txt"]


def test_a_refused_file_is_not_looked_at_twice_and_enters_once_it_is_another(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/report.pdf", executable())
    acme.take_in()
    assert acme.take_in() is None

    acme.drop("e1/report.pdf", "%PDF-1.7\n")
    acme.take_in()

    assert acme.item("report.pdf").media_type == "application/pdf"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", NOISE),
        ("a", NOISE),
        ("a.pdf", NOISE),
        ("a.xls", ole("VisioDocument")),
        ("a.xes", b"\x7fELF" + NOISE),
        ("a.txt", b"#!/bin/sh\n"),
    ],
)
def test_what_is_not_on_the_list_is_refused_whatever_its_name(
    acme: LandingPlace, name: str, content: bytes
) -> None:
    acme.drop(f"e1/{name}", content)

    stored = acme.take_in()

    assert [one.code for one in stored.quarantined] == ["type_not_allowed"]


@pytest.mark.parametrize("name", ["a.bpmn", "a.BPMN2", "a.xes", "a.vsdx"])
def test_four_kinds_of_files_may_be_of_no_known_type(acme: LandingPlace, name: str) -> None:
    acme.drop(f"e1/{name}", NOISE)
    acme.take_in()
    assert acme.item(name).media_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("a.md", b"# hi\n", "text/markdown"),
        ("a.eml", b"From: a@example.com\n", "message/rfc822"),
        ("a.jsonl", b'{"a": 1}\n', "application/jsonl"),
        ("a.bpmn", b"<?xml version='1.0'?><definitions/>", "application/xml"),
        ("a.unheard", b"words\n", "text/plain"),
        ("a.txt", b'{"a": 1}\n', "application/json"),
    ],
)
def test_a_name_tells_one_kind_of_text_from_another(
    acme: LandingPlace, name: str, content: bytes, kept: str
) -> None:
    acme.drop(f"e1/{name}", content)
    acme.take_in()
    item = acme.item(name)
    assert (item.media_type, item.side.warnings) == (kept, ())


def test_a_name_that_promises_another_allowed_type_is_a_warning(acme: LandingPlace) -> None:
    acme.drop("e1/a.pdf", b"\x89PNG\r\n\x1a\n" + NOISE)
    acme.drop("e1/a.pdf.meta.yaml", "author: Ann\nage: 3\n")

    acme.take_in()

    item = acme.item("a.pdf")
    assert item.media_type == "image/png"
    assert item.side.author == "Ann"
    assert item.side.warnings == (
        "unknown field 'age'",
        "the name ends in .pdf, the content is image/png",
    )


def test_a_large_container_is_told_by_its_end(acme: LandingPlace) -> None:
    acme.drop("e1/large.xlsx", workbook(padding=KEPT_BYTES + 1))
    acme.drop("e1/large.doc", ole("WordDocument", before=KEPT_BYTES + 1))

    acme.take_in()

    assert acme.item("large.xlsx").media_type.endswith("spreadsheetml.sheet")
    assert acme.item("large.doc").media_type == "application/msword"


def test_whatever_a_converter_takes_may_enter() -> None:
    taken = {kind for converter in default_converters() for kind in converter.media_types}
    assert taken - ALLOWED == set()
