"""Files behind a password (rows D12, D27): unlocked for as long as they are read, and no longer."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache
from hashlib import md5
from pathlib import Path

import docx
import openpyxl
import pptx
import pyarrow.parquet as pq
import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.locked_documents import Lock, lock_of
from kmflow_orchestration.errors import (
    CorruptInput,
    CredentialError,
    PasswordRequiredError,
    WrongPasswordError,
)
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.inspect_file import inspect_file, validate_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.test_workbook_formats import WORKBOOKS

WORD = "correct-horse-battery"
PASSWORD = Secret(WORD)
Locks = Callable[..., Path]


def a_workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (["id", "amount"], [1, 2.5]):
        book.worksheets[0].append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def a_document() -> bytes:
    document = docx.Document()
    document.add_paragraph("Approve the loan")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def a_presentation() -> bytes:
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[5])
    slide.shapes.title.text = "Approve the loan"
    buffer = io.BytesIO()
    slides.save(buffer)
    return buffer.getvalue()


@cache
def locked_content(content: Callable[[], bytes]) -> bytes:
    """Once for all tests: whoever locks turns a hundred thousand hashes."""
    target = io.BytesIO()
    OOXMLFile(io.BytesIO(content())).encrypt(WORD, target)
    return target.getvalue()


@pytest.fixture
def locked(tmp_path: Path) -> Locks:
    def write(name: str, content: Callable[[], bytes] = a_workbook) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(locked_content(content))
        return path

    return write


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies lie for as long as they are read."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_locked_workbook_is_read_with_its_password(locked: Locks, temporary: Path) -> None:
    path = locked("book.xlsx")
    done = convert_file(path, password=PASSWORD)

    assert pq.read_table(done.outputs[0]).to_pylist() == [{"id": 1, "amount": 2.5}]
    assert done.manifest.source_sha256 == sha256_of(path)
    assert done.manifest.outputs[0].receipt["content_hash"] == sha256_of(path)
    assert done.manifest.warnings == ()
    assert list(temporary.iterdir()) == []


def test_the_password_is_nowhere_in_the_result(locked: Locks) -> None:
    path = locked("book.xlsx")
    convert_file(path, password=PASSWORD)

    made = [one for one in path.parent.iterdir() if one != path]
    assert len(made) == 2
    assert not [one for one in made if WORD.encode() in one.read_bytes()]


@pytest.mark.parametrize("name", ["book.xlsx", "note.docx"])
def test_another_password_is_exit_4_and_leaves_nothing(
    locked: Locks, temporary: Path, name: str
) -> None:
    path = locked(name, a_workbook if name == "book.xlsx" else a_document)
    with pytest.raises(WrongPasswordError) as error:
        convert_file(path, password=Secret("something-else"))

    assert error.value.exit_code == 4
    assert "something-else" not in f"{error.value}{error.value.hint}"
    assert list(path.parent.iterdir()) == [path]
    assert list(temporary.iterdir()) == []


def test_without_a_password_a_locked_file_says_how_to_give_it(locked: Locks) -> None:
    with pytest.raises(PasswordRequiredError) as error:
        convert_file(locked("book.xlsx"))

    assert error.value.exit_code == 1
    assert "--password-env" in error.value.hint


@pytest.mark.parametrize("name", ["note.docx", "talk.pptx"])
def test_locked_documents_are_read_too(locked: Locks, name: str) -> None:
    content = a_document if name.endswith("docx") else a_presentation
    done = convert_file(locked(name, content), password=PASSWORD)

    assert "Approve the loan" in done.outputs[0].read_text()


def test_a_file_without_a_lock_needs_no_password(loans: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.xls"
    old.write_bytes((WORKBOOKS / "days_from_1900.xls").read_bytes())

    assert convert_file(loans, password=PASSWORD).rows == 3
    assert len(convert_file(old, password=PASSWORD).outputs) == 3


def test_what_was_locked_is_looked_at_and_verified_with_its_password(locked: Locks) -> None:
    path = locked("book.xlsx")
    done = convert_file(path, password=PASSWORD)

    assert verify_output(done.outputs[0], password=PASSWORD).differences == ()
    with pytest.raises(PasswordRequiredError):
        verify_output(done.outputs[0])
    assert inspect_file(path, password=PASSWORD).sha256 == sha256_of(path)
    assert (validate_file(path).is_valid, validate_file(path, password=PASSWORD).is_valid) == (
        False,
        True,
    )


def test_the_password_may_lie_in_a_variable_that_is_named(
    locked: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = locked("book.xlsx")
    options = conversion_options({"password_env": "BOOK_PASSWORD"})
    with pytest.raises(CredentialError, match="env:BOOK_PASSWORD is not set"):
        convert_file(path, options=options)
    monkeypatch.setenv("BOOK_PASSWORD", WORD)

    assert convert_file(path, options=options).rows == 1
    assert "password_env" not in options.recorded


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_truncated_locked_file_is_corrupt(locked: Locks, share: float) -> None:
    path = locked("book.xlsx")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(CorruptInput):
        convert_file(path, password=PASSWORD)


def rc4(key: bytes, content: bytes) -> bytes:
    state, at = list(range(256)), 0
    for position in range(256):
        at = (at + state[position] + key[position % len(key)]) % 256
        state[position], state[at] = state[at], state[position]
    found, first, second = bytearray(), 0, 0
    for byte in content:
        first = (first + 1) % 256
        second = (second + state[first]) % 256
        state[first], state[second] = state[second], state[first]
        found.append(byte ^ state[(state[first] + state[second]) % 256])
    return bytes(found)


def hashed(content: bytes) -> bytes:
    return md5(content, usedforsecurity=False).digest()


PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
DRAWN = b"BT /F1 12 Tf 20 100 Td (Approve the loan) Tj ET"


def a_pdf(password: str = "") -> bytes:
    """One page of text, locked as the PDF reference says (algorithms 3.1 to 3.4) if it is to be."""
    secret, drawn = b"", DRAWN
    if password:
        padded = (password.encode() + PADDING)[:32]
        owner = rc4(hashed(padded)[:5], padded)
        key = hashed(padded + owner + (-4).to_bytes(4, "little", signed=True) + b"\0")[:5]
        user = rc4(key, PADDING)
        drawn = rc4(hashed(key + b"\4\0\0\0\0")[:10], DRAWN)
        secret = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
            *(owner.hex().encode(), user.hex().encode()),
        )
    font = b"<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R"
        b" /Resources << /Font %s >> >>" % font,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
    )
    content, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return content + b"xref\n0 5\n0000000000 65535 f \n%strailer << /Size 5 /Root 1 0 R %s" % (
        table,
        secret + b" /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF" % len(content),
    )


def test_a_locked_pdf_is_read_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(a_pdf(WORD))

    with pytest.raises(WrongPasswordError):
        convert_file(path, password=Secret("another"))
    done = convert_file(path, password=PASSWORD)

    assert done.outputs[0].read_text() == "Approve the loan\n"
    assert done.manifest.source_sha256 == sha256_of(path)


def test_a_plain_pdf_has_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(a_pdf())

    assert lock_of(path) is Lock.NONE
    assert convert_file(path, password=PASSWORD).outputs[0].read_text() == "Approve the loan\n"


def test_a_locked_open_document_is_not_unlocked(tmp_path: Path) -> None:
    path = tmp_path / "book.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest><encryption-data/></manifest>")
        archive.writestr("content.xml", b"\x8f\x01")

    with pytest.raises(PasswordRequiredError, match="not unlocked here"):
        convert_file(path, password=PASSWORD)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA], ids=["zip", "lzma"])
def test_a_bomb_among_the_files_looked_at_for_a_lock_does_not_fill_the_memory(
    tmp_path: Path, method: int
) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("META-INF/manifest.xml", bytes(40 << 20))

    tracemalloc.start()
    try:
        assert lock_of(path) is Lock.NONE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
