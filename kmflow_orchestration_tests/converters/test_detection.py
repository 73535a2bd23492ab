from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.converters.detection import Detection, detect
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes

CSV = b"a,b\n1,2\n3,4\n"
PROSE = b"Dear all,\n\nplease find the notes, as promised.\n- one\n"
NOISE = bytes(range(256)) * 20
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def workbook() -> bytes:
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a"])
    book.save(buffer)
    return buffer.getvalue()


def archive(member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr(member, "x")
    return buffer.getvalue()


XLSX = workbook()


def found(detection: Detection) -> str:
    return detection.converter.name if detection.converter else ""


@pytest.mark.parametrize(
    ("content", "name", "converter"),
    [
        (CSV, "a.csv", "delimited"),
        (CSV, "A.CSV", "delimited"),
        (b"a\n1\n", "a.csv", "delimited"),
        (PROSE, "a.csv", "delimited"),
        (XLSX, "a.xlsx", "spreadsheet"),
        (XLSX[: len(XLSX) // 2], "a.xlsx", "spreadsheet"),
        (PROSE, "a.txt", "plain_text"),
        (PROSE, "a.md", "plain_text"),
        (CSV, "a.md", "plain_text"),
        (PDF, "a.pdf", ""),
        (PNG, "a.png", ""),
        (b'{"a": 1, "b": 2}\n{"a": 2, "b": 3}\n', "a.json", ""),
        (CSV, "a.json", ""),
        (b"<?xml version='1.0'?><a/>", "a.xml", ""),
        (archive("word/document.xml"), "a.docx", ""),
        (archive("notes.txt"), "a.zip", ""),
        (NOISE, "a.dbf", ""),
        (PROSE, "a.dat", ""),
    ],
)
def test_content_that_fits_its_name_is_taken_without_a_warning(
    source: Writes, content: bytes, name: str, converter: str
) -> None:
    detection = detect(source(content, name), default_converters())

    assert (found(detection), detection.warnings) == (converter, ())


@pytest.mark.parametrize(
    ("content", "name", "converter"),
    [
        (XLSX, "a.csv", "spreadsheet"),
        (XLSX, "a.txt", "spreadsheet"),
        (CSV, "a.xlsx", "delimited"),
        (CSV, "a.txt", "delimited"),
        (CSV, "a.pdf", "delimited"),
        (CSV, "a", "delimited"),
    ],
)
def test_content_of_another_known_type_is_taken_with_a_warning(
    source: Writes, content: bytes, name: str, converter: str
) -> None:
    detection = detect(source(content, name), default_converters())

    assert found(detection) == converter
    assert [warning.code for warning in detection.warnings] == ["type_mismatch"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (NOISE, "a.csv"),
        (NOISE, "a.xlsx"),
        (NOISE, "a.pdf"),
        (NOISE, "a.txt"),
        (NOISE, "a"),
        (PROSE, "a.xlsx"),
        (PROSE, "a.pdf"),
        (archive("word/document.xml")[:40], "a.docx"),
    ],
)
def test_content_of_no_known_type_is_corrupt(source: Writes, content: bytes, name: str) -> None:
    with pytest.raises(CorruptInput):
        detect(source(content, name), default_converters())


def test_a_pdf_named_csv_waits_for_its_converter(source: Writes) -> None:
    assert detect(source(PDF, "a.csv"), default_converters()).converter is None


class Rival(DelimitedConverter):
    name = "rival"


class StrongerRival(Rival):
    priority = 1


def test_two_converters_for_one_suffix_need_different_priorities() -> None:
    with pytest.raises(ConfigurationError, match=r"\.csv"):
        ConverterRegistry((DelimitedConverter(), Rival()))


def test_the_higher_priority_takes_the_suffix() -> None:
    registry = ConverterRegistry((DelimitedConverter(), StrongerRival()))

    claimed = registry.for_suffix(".CSV")
    assert claimed is not None
    assert claimed.name == "rival"
    registry.unregister("rival")
    assert registry.for_suffix(".csv") is registry.named("delimited")


def test_a_converter_enters_once() -> None:
    with pytest.raises(ConfigurationError, match="delimited"):
        ConverterRegistry((DelimitedConverter(), DelimitedConverter()))


def test_the_version_of_all_names_every_converter() -> None:
    assert default_converters().version == "delimited:2,plain_text:1,spreadsheet:1"
