"""Files of archives as if they lay alone: tables of documents, options, passwords (row D40)."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import InvalidOptions, PasswordRequiredError, WrongPasswordError
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.manifest import OutputRecord
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.archives.bundles import CSV, seven_zipped, zipped
from kmflow_orchestration_tests.converters.documents.office_samples import word
from kmflow_orchestration_tests.converters.documents.page_samples import pdf
from kmflow_orchestration_tests.fuzz.seeds import SEEDS
from kmflow_orchestration_tests.operations.convert.test_locked_files import (
    PASSWORD,
    WORD,
    a_pdf,
    a_workbook,
    locked_content,
)


def _converted(
    folder: Path,
    content: bytes,
    name: str = "all.zip",
    password: Secret | None = None,
    **how: object,
) -> Conversion:
    path = folder / name
    path.write_bytes(content)
    options = conversion_options({"force": True, **how})
    return convert_file(path, folder / "out", options, password=password)


def _parts(done: Conversion) -> set[str]:
    return {one.part for one in done.manifest.outputs} - {"", "members", "blocks"}


def test_documents_have_the_tables_that_they_have_outside(tmp_path: Path) -> None:
    inner = zipped({"tariff.pdf": pdf()})
    files = {"memo.docx": word(), "mail/a.eml": SEEDS["request.eml"], "x.zip": inner, "t.csv": CSV}

    done = _converted(tmp_path, zipped(files))

    parts = _parts(done)
    assert {
        *("memo.docx [documents]", "mail/a.eml [documents]", "mail/a.eml [messages]"),
        *("x.zip!/tariff.pdf [documents]", "x.zip!/tariff.pdf [pages]", "t.csv"),
    } <= parts
    assert not [part for part in parts if part.endswith("[blocks]")]
    outside = convert_file(_file(tmp_path, "tariff.pdf", pdf()), tmp_path / "alone")
    own = next(one for one in outside.manifest.outputs if one.part == "pages")
    inside = next(one for one in done.manifest.outputs if one.part.endswith("[pages]"))
    assert [one.fingerprint for one in inside.columns] == [one.fingerprint for one in own.columns]
    assert inside.receipt["options"]["member"] == "x.zip!/tariff.pdf"
    assert inside.receipt["content_hash"] == done.manifest.source_sha256
    assert done.missed == ()
    assert verify_output(done.manifest_path).is_equal


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_document_that_cannot_be_read_is_told_and_leaves_no_table(tmp_path: Path) -> None:
    done = _converted(tmp_path, zipped({"bad.pdf": pdf()[:200], "memo.docx": word()}))

    assert "memo.docx [documents]" in _parts(done)
    assert not [part for part in _parts(done) if part.startswith("bad.pdf")]
    assert [text.partition(":")[0] for text in done.missed] == ["bad.pdf"]


def test_options_reach_the_readers_that_know_them(tmp_path: Path) -> None:
    files = {"t.csv": b"a|b\n1|2\n", "plan.pdf": pdf()}

    done = _converted(tmp_path, zipped(files), delimiter="|", pages="1")

    rows = {one.part: one.rows for one in done.manifest.outputs}
    assert rows["plan.pdf [pages]"] == 1
    assert [one.name for one in _record(done, "t.csv").columns] == ["a", "b"]
    assert not [one for one in done.manifest.warnings if one.code == "option_unused"]


def test_options_reach_readers_that_know_them_by_another_name(tmp_path: Path) -> None:
    files = {"t.csv": b"about\nid,n\n1,2\n", "book.xlsx": a_workbook()}

    done = _converted(tmp_path, zipped(files), header_row=2)
    assert [one.name for one in _record(done, "t.csv").columns] == ["id", "n"]
    assert _record(done, "book.xlsx [Sheet]").rows == 0

    done = _converted(tmp_path, zipped({**files, "t.csv": CSV}), no_header=True)
    assert _record(done, "t.csv").rows == 3
    assert _record(done, "book.xlsx [Sheet]").rows == 2


def _record(done: Conversion, part: str) -> OutputRecord:
    return next(one for one in done.manifest.outputs if one.part == part)


def test_an_option_for_no_file_is_told_and_a_wrong_one_refused(tmp_path: Path) -> None:
    done = _converted(tmp_path, zipped({"t.csv": CSV}), pages="1")

    assert [one.code for one in done.manifest.warnings] == ["option_unused"]
    assert done.missed == ()
    with pytest.raises(InvalidOptions, match="pages"):
        _converted(tmp_path, zipped({"a.pdf": pdf()}), pages="3-1")
    with pytest.raises(InvalidOptions, match="extract-attachments"):
        _converted(tmp_path, zipped({"t.csv": CSV}), extract_attachments=True)


def test_locked_documents_are_opened_by_the_password(tmp_path: Path) -> None:
    inner = zipped({"page.pdf": a_pdf(WORD)})
    content = zipped({"book.xlsx": locked_content(a_workbook), "in.zip": inner, "t.csv": CSV})

    without = _converted(tmp_path, content)
    done = _converted(tmp_path, content, password=PASSWORD)

    assert {text.partition(":")[0] for text in without.missed} == {
        *("book.xlsx", "in.zip!/page.pdf")
    }
    assert done.missed == ()
    book = next(file for file in done.outputs if file.name.startswith("book.xlsx"))
    assert pq.read_table(book).to_pylist() == [{"id": 1, "amount": 2.5}]
    assert "Approve the loan" in next(f for f in done.outputs if f.suffix == ".txt").read_text()
    assert verify_output(done.manifest_path, password=PASSWORD).is_equal
    made = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert not [one for one in made if WORD.encode() in one.read_bytes()]


@pytest.mark.parametrize("is_header_locked", [False, True], ids=["files", "names-too"])
def test_an_encrypted_7z_is_opened_by_its_password(tmp_path: Path, is_header_locked: bool) -> None:
    content = seven_zipped({"t.csv": CSV}, WORD, is_header_locked=is_header_locked)

    done = _converted(tmp_path, content, "all.7z", PASSWORD)

    assert _parts(done) == {"t.csv"}
    with pytest.raises(WrongPasswordError):
        _converted(tmp_path, content, "all.7z", Secret("another"))
    with pytest.raises(PasswordRequiredError):
        _converted(tmp_path, content, "all.7z")


def test_an_encrypted_zip_is_opened_by_its_password(tmp_path: Path) -> None:
    content = _zip_encrypted({"t.csv": CSV * 50, "u.csv": CSV}, WORD)

    done = _converted(tmp_path, content, password=PASSWORD)

    assert _parts(done) == {"t.csv", "u.csv"}
    with pytest.raises(WrongPasswordError, match="opens no file"):
        _converted(tmp_path, content, password=Secret("another"))
    with pytest.raises(PasswordRequiredError):
        _converted(tmp_path, content)


def _zip_encrypted(files: dict[str, bytes], password: str) -> bytes:
    """As PKWARE's first encryption does it, which Python reads and does not write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, plain in files.items():
            target.writestr(name, bytes(12) + plain)
    found = bytearray(buffer.getvalue())
    with zipfile.ZipFile(io.BytesIO(found)) as archive:
        infos = archive.infolist()
    for info in infos:
        checksum = zlib.crc32(files[info.filename])
        start = info.header_offset + 30 + len(info.filename)
        plain = bytes(11) + bytes((checksum >> 24,)) + files[info.filename]
        found[start : start + len(plain)] = _pkware(plain, password.encode())
        central = found.index(b"PK\x01\x02")
        while found[central + 46 : central + 46 + len(info.filename)] != info.filename.encode():
            central = found.index(b"PK\x01\x02", central + 4)
        for at, flags in ((info.header_offset, 6), (central, 8)):
            found[at + flags] |= 1
            found[at + flags + 8 : at + flags + 12] = checksum.to_bytes(4, "little")
            size = len(files[info.filename])
            found[at + flags + 16 : at + flags + 20] = size.to_bytes(4, "little")
    return bytes(found)


def _pkware(content: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]
    table = [_crc_row(byte) for byte in range(256)]

    def update(byte: int) -> None:
        keys[0] = keys[0] >> 8 ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = keys[2] >> 8 ^ table[(keys[2] ^ keys[1] >> 24) & 0xFF]

    for byte in password:
        update(byte)
    found = bytearray()
    for byte in content:
        key = keys[2] | 2
        found.append(byte ^ (key * (key ^ 1) >> 8) & 0xFF)
        update(byte)
    return bytes(found)


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xEDB88320 if byte & 1 else 0)
    return byte
