from __future__ import annotations

import gzip
import io
import zipfile

import openpyxl
import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.converters.detection import Detection, detect
from kmflow_orchestration.converters.plain_text import PlainTextConverter
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.recording_samples import matroska, mp3, mp4, wav

CSV = b"a,b\n1,2\n3,4\n"
JSON = b'{"a": 1, "b": 2}\n{"a": 2, "b": 3}\n'
XML = b"<?xml version='1.0'?><a><b>1</b><b>2</b></a>"
PROSE = b"Dear all,\n\nplease find the notes, as promised.\n- one\n"
DBF = dbf_bytes([("ID", "N", 4)], [b"    1"])
PARQUET = b"PAR1" + bytes(40) + b"PAR1"
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
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><title>Loan</title></svg>"


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
        (PDF, "a.pdf", "pdf"),
        (PNG, "a.png", "image"),
        (SVG, "a.svg", "image"),
        (SVG, "a.xml", "image"),
        (wav(), "a.wav", "media"),
        (mp3(), "a.mp3", "media"),
        (mp4(), "a.mp4", "media"),
        (matroska(), "a.mkv", "media"),
        (b"\xff\xfb\x90\x64" + bytes(413), "a.mp3", "media"),
        (b"Obj\1" + bytes(40), "a.avro", "avro"),
        (b"$FL2@(#) SPSS" + bytes(40), "a.sav", "statistics"),
        (b"<stata_dta><header>" + bytes(40), "a.dta", "statistics"),
        (JSON, "a.json", "json"),
        (JSON, "a.ndjson", "json"),
        (JSON[:-5], "a.json", "json"),
        (PROSE, "a.json", "json"),
        (gzip.compress(JSON, mtime=0), "a.json.gz", "json"),
        (gzip.compress(JSON, mtime=0)[:30], "a.json.gz", "json"),
        (gzip.compress(CSV, mtime=0), "a.csv.gz", "delimited"),
        (gzip.compress(CSV, mtime=0), "a.csv", "delimited"),
        (gzip.compress(CSV, mtime=0), "a.txt.gz", "delimited"),
        (gzip.compress(CSV, mtime=0), "a.gz", "delimited"),
        (gzip.compress(JSON, mtime=0), "a.gz", "json"),
        (gzip.compress(XML, mtime=0), "a.gz", "xml"),
        (gzip.compress(CSV, mtime=0), "a.log.gz", ""),
        (gzip.compress(PROSE, mtime=0), "a.gz", ""),
        (b"BZh,b\n1,2\n3,4\n", "a.csv", "delimited"),
        (JSON, "a.ipynb", ""),
        (XML, "a.xml", "xml"),
        (b"<a>1</a>", "a.xml", "xml"),
        (PROSE, "a.xml", "xml"),
        (XML.replace(b"1", b"\0" * 9), "a.xml", "xml"),
        (gzip.compress(XML, mtime=0), "a.xml.gz", "xml"),
        (XML, "a.xes", ""),
        (XML, "a.svg", ""),
        (archive("word/document.xml"), "a.docx", "word"),
        (archive("notes.txt"), "a.zip", "archive"),
        (archive("notes.txt")[:-9], "a.zip", "archive"),
        (NOISE, "a.tar", "archive"),
        (DBF, "a.dbf", "dbase"),
        (NOISE, "a.dbf", "dbase"),
        (PARQUET, "a.parquet", "arrow"),
        (PROSE, "a.orc", "arrow"),
        (NOISE, "a.mdf", ""),
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
        (gzip.compress(JSON, mtime=0), "a.csv.gz", "json"),
        (gzip.compress(CSV, mtime=0), "a.xml", "delimited"),
        (CSV, "a", "delimited"),
        (CSV, "a.json", "delimited"),
        (JSON, "a.csv", "json"),
        (JSON, "a.txt", "json"),
        (JSON, "a", "json"),
        (XML, "a.txt", "xml"),
        (XML, "a", "xml"),
        (CSV, "a.xml", "delimited"),
        (CSV, "a.tar", "delimited"),
        (archive("notes.txt"), "a", "archive"),
        (PARQUET, "a.csv", "arrow"),
        (PNG, "a.csv", "image"),
        (mp4(), "a.jpg", "media"),
        (DBF, "a.txt", "dbase"),
        (DBF, "a", "dbase"),
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
        (gzip.compress(CSV, mtime=0)[:20], "a.gz"),
        (gzip.compress(b"", mtime=0), "a.gz"),
        (NOISE, "a.json"),
        (NOISE, "a.xml"),
        (NOISE, "a.xlsx"),
        (NOISE, "a.pdf"),
        (NOISE, "a.txt"),
        (NOISE, "a"),
        (PROSE, "a.xlsx"),
        (PROSE, "a.pdf"),
    ],
)
def test_content_of_no_known_type_is_corrupt(source: Writes, content: bytes, name: str) -> None:
    with pytest.raises(CorruptInput):
        detect(source(content, name), default_converters())


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
    registry = ConverterRegistry((StrongerRival(), PlainTextConverter()))

    assert registry.version == f"plain_text:{PlainTextConverter.version},rival:{Rival.version}"
