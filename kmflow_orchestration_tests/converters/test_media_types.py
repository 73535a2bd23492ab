"""The type of a file by its bytes: signatures, containers, text, and what nobody knows."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from functools import partial

import pytest

from kmflow_orchestration.converters.media_types import DOCX, PPTX, XLSX, media_type_of_content
from kmflow_orchestration.demo.documents import page_document, picture
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.recording_samples import matroska
from kmflow_orchestration_tests.evidence_samples import executable, ole

SAS = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
NOISE = bytes(range(256)) * 20


def read_from(content: bytes, length: int, start: int) -> bytes:
    return content[start : start + length]


def type_of(content: bytes) -> str:
    return media_type_of_content(content[: 1 << 20], len(content), partial(read_from, content))


def archive(*members: str, before: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        if before:
            target.writestr("large", before)
        for member in members:
            target.writestr(member, "x")
    return packed.getvalue()


def open_document(kind: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        target.writestr("content.xml", "<a/>")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\n\n%PDF-1.4\n" + NOISE, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n" + NOISE, "image/png"),
        (b"\xff\xd8\xff\xe0" + NOISE, "image/jpeg"),
        (b"GIF89a" + NOISE, "image/gif"),
        (b"II*\x00" + NOISE, "image/tiff"),
        (b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + NOISE, "image/bmp"),
        (b"\x1f\x8b\x08\x00" + NOISE, "application/gzip"),
        (b"BZh91AY&SY" + NOISE, "application/x-bzip2"),
        (b"\x28\xb5\x2f\xfd" + NOISE, "application/zstd"),
        (b"\xfd7zXZ\x00" + NOISE, "application/x-xz"),
        (b"7z\xbc\xaf\x27\x1c" + NOISE, "application/x-7z-compressed"),
        (tarfile.TarInfo("a.csv").tobuf() + NOISE, "application/x-tar"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(50), "audio/wav"),
        (b"RIFF\x24\0\0\0AVI LIST" + bytes(50), "video/x-msvideo"),
        (b"ID3\x03\x00" + bytes(50), "audio/mpeg"),
        (b"\xff\xfb\x90\x44" + NOISE, "audio/mpeg"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "video/mp4"),
        (b"\0\0\0\x18ftypqt  " + bytes(50), "video/quicktime"),
        (b"\x7fELF\x02\x01\x01" + bytes(50), "application/x-executable"),
        (executable(), "application/vnd.microsoft.portable-executable"),
        (b"MZ" + NOISE, "application/x-dosexec"),
        (b"\xca\xfe\xba\xbe" + bytes(50), "application/x-mach-binary"),
        (b"fLaC" + bytes(50), "audio/flac"),
        (b"OggS" + bytes(50), "audio/ogg"),
        (matroska(), "video/x-matroska"),
        (matroska(b"webm"), "video/webm"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(50), "image/webp"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "image/heic"),
        (b"Obj\x01" + bytes(50), "application/avro"),
        (b"$FL2@(#) SPSS" + bytes(50), "application/x-spss-sav"),
        (b"$FL3@(#) SPSS" + bytes(50), "application/x-spss-sav"),
        (b"<stata_dta><header>" + bytes(50), "application/x-stata-dta"),
        (b"\x72\x01\x01\0" + bytes(50), "application/x-stata-dta"),
        (SAS + bytes(50), "application/x-sas-data"),
        (b"PAR1" + bytes(50) + b"PAR1", "application/vnd.apache.parquet"),
        (b"ARROW1\0\0" + bytes(50), "application/vnd.apache.arrow.file"),
        (b"ORC\n\0\0\1" + bytes(50), "application/vnd.apache.orc"),
        (b"ORC,NAME\n1,x\n", "text/plain"),
        (dbf_bytes([("ID", "N", 4)], [b"    1"]), "application/x-dbf"),
        (NOISE, "application/octet-stream"),
    ],
)
def test_a_signature_decides(content: bytes, expected: str) -> None:
    assert type_of(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", "text/plain"),
        (b"MZ and BM and ID3 begin this sentence\n", "text/plain"),
        ("Straße\n".encode("cp1252"), "text/plain"),
        ("a;b\n".encode("utf-16"), "text/plain"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json"),
        (b"[1, 2", "text/plain"),
        (b"[" * 8_000, "text/plain"),
        (b"[" + b"1," * 8_000 + b"1]", "text/plain"),
        (b"<?xml version='1.0'?>\n<!-- <svg> -->\n<log/>", "application/xml"),
        ("<?xml version='1.0'?><log/>".encode("utf-16"), "application/xml"),
        (b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", "image/svg+xml"),
        (b"<svg:svg xmlns:svg='x'/>", "image/svg+xml"),
        (b"<!doctype html><p>", "text/html"),
        (b"<none of the above>", "text/plain"),
        (b"<!--" * 20_000, "text/plain"),
        (b"{\\rtf1 x}", "application/rtf"),
        (b"#!/bin/sh\nrm -r x\n", "text/x-script"),
        (b"#! is how a note may begin\n", "text/plain"),
    ],
)
def test_text_says_what_it_is_or_is_plain(content: bytes, expected: str) -> None:
    assert type_of(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (archive("[Content_Types].xml", "xl/workbook.xml"), XLSX),
        (archive("word/document.xml"), DOCX),
        (archive("ppt/presentation.xml"), PPTX),
        (archive("visio/document.xml"), "application/vnd.ms-visio.drawing"),
        (archive("META-INF/MANIFEST.MF", "a.class"), "application/java-archive"),
        (archive("word/document.xml", before=NOISE * 500), DOCX),
        (archive("notes.txt", "word/document.xml.bak"), "application/zip"),
        (archive("word/document.xml")[:-30], "application/zip"),
        (b"PK\x03\x04 and no more", "application/zip"),
        (open_document("spreadsheet"), "application/vnd.oasis.opendocument.spreadsheet"),
        (open_document("text"), "application/vnd.oasis.opendocument.text"),
        (ole("WordDocument"), "application/msword"),
        (ole("Workbook"), "application/vnd.ms-excel"),
        (ole("PowerPoint Document"), "application/vnd.ms-powerpoint"),
        (ole("EncryptedPackage"), "application/encrypted"),
        (ole("__properties_version1.0"), "application/vnd.ms-outlook"),
        (ole("Workbook", before=(1 << 20) - 600), "application/vnd.ms-excel"),
        (ole("AdminExecuteSequence"), "application/x-ole-storage"),
        (ole("x") + "Workbook\0".encode("utf-16-le"), "application/x-ole-storage"),
    ],
)
def test_a_container_is_told_by_what_lies_in_it(content: bytes, expected: str) -> None:
    assert type_of(content) == expected


def test_what_the_demo_draws_is_what_it_says() -> None:
    dice = random.Random(1)
    assert type_of(page_document("Tariff", dice)) == "application/pdf"
    assert type_of(picture(dice)) == "image/png"
