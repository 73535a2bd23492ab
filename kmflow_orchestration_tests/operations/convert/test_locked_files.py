"""Files behind a password (rows D12, D27): unlocked for as long as they are read, and no longer."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import docx
import openpyxl
import pptx
import pyarrow.parquet as pq
import pypdfium2
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
from kmflow_orchestration.operations.convert.convert_folder import Status, convert_folder
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.inspect_file import inspect_file, validate_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.test_workbook_formats import WORKBOOKS

WORD = "correct-horse-battery"
PASSWORD = Secret(WORD)
# An empty page, locked with WORD by qpdf's 40-bit RC4.
Locks = Callable[[str, bytes], Path]


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


@pytest.fixture
def locked(tmp_path: Path) -> Locks:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb+") as target:
            OOXMLFile(io.BytesIO(content)).encrypt(WORD, target)
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
    path = locked("book.xlsx", a_workbook())
    done = convert_file(path, password=PASSWORD)

    assert pq.read_table(done.outputs[0]).to_pylist() == [{"id": 1, "amount": 2.5}]
    assert done.manifest.source_sha256 == sha256_of(path)
    assert done.manifest.outputs[0].receipt["content_hash"] == sha256_of(path)
    assert done.manifest.warnings == ()
    assert list(temporary.iterdir()) == []


def test_the_password_is_nowhere_in_the_result(locked: Locks) -> None:
    path = locked("book.xlsx", a_workbook())
    convert_file(path, password=PASSWORD)

    made = [one for one in path.parent.iterdir() if one != path]
    assert len(made) == 2
    assert not [one for one in made if WORD.encode() in one.read_bytes()]


@pytest.mark.parametrize("name", ["book.xlsx", "note.docx"])
def test_another_password_is_exit_4_and_leaves_nothing(
    locked: Locks, temporary: Path, name: str
) -> None:
    path = locked(name, a_workbook() if name == "book.xlsx" else a_document())
    with pytest.raises(WrongPasswordError) as error:
        convert_file(path, password=Secret("something-else"))

    assert error.value.exit_code == 4
    assert "something-else" not in f"{error.value}{error.value.hint}"
    assert list(path.parent.iterdir()) == [path]
    assert list(temporary.iterdir()) == []


def test_without_a_password_a_locked_file_says_how_to_give_it(locked: Locks) -> None:
    with pytest.raises(PasswordRequiredError) as error:
        convert_file(locked("book.xlsx", a_workbook()))

    assert error.value.exit_code == 1
    assert "--password-env" in error.value.hint


@pytest.mark.parametrize("name", ["note.docx", "talk.pptx"])
def test_locked_documents_are_read_too(locked: Locks, name: str) -> None:
    content = a_document() if name.endswith("docx") else a_presentation()
    done = convert_file(locked(name, content), password=PASSWORD)

    assert "Approve the loan" in done.outputs[0].read_text()


def test_a_file_without_a_lock_needs_no_password(loans: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.xls"
    old.write_bytes((WORKBOOKS / "days_from_1900.xls").read_bytes())

    assert convert_file(loans, password=PASSWORD).rows == 3
    assert len(convert_file(old, password=PASSWORD).outputs) == 3


def test_what_was_locked_is_looked_at_and_verified_with_its_password(locked: Locks) -> None:
    path = locked("book.xlsx", a_workbook())
    done = convert_file(path, password=PASSWORD)

    assert verify_output(done.outputs[0], password=PASSWORD).differences == ()
    with pytest.raises(PasswordRequiredError):
        verify_output(done.outputs[0])
    assert inspect_file(path, password=PASSWORD).sha256 == sha256_of(path)
    assert (validate_file(path).is_valid, validate_file(path, password=PASSWORD).is_valid) == (
        False,
        True,
    )


def test_a_batch_takes_the_password_from_the_variable_that_is_named(
    locked: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = locked("book.xlsx", a_workbook())
    options = conversion_options({"password_env": "BOOK_PASSWORD", "format_type": "parquet"})
    monkeypatch.setenv("BOOK_PASSWORD", WORD)
    done = convert_folder(plan_folder(path.parent, None), options, parallel=1)

    assert [one.status for one in done.files] == [Status.CONVERTED]
    assert "password_env" not in options.recorded
    monkeypatch.delenv("BOOK_PASSWORD")
    with pytest.raises(CredentialError, match="env:BOOK_PASSWORD is not set"):
        convert_file(path, options=options)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_truncated_locked_file_is_corrupt(locked: Locks, share: float) -> None:
    path = locked("book.xlsx", a_workbook())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(CorruptInput):
        convert_file(path, password=PASSWORD)


def test_a_plain_pdf_has_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 200)
    document.save(path)
    document.close()

    assert lock_of(path) is Lock.NONE
