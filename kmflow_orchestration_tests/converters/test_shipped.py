"""Converters of ours are imported when they are asked for, and found as if all were there."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from kmflow_orchestration.converters.content_look import HEAD_BYTES
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.converters.shipped import SHIPPED, Shipped
from kmflow_orchestration_tests.converters import test_detection as samples
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.recording_samples import matroska, mp3, mp4, wav

_MAIL = b"From: a@example.com\r\nTo: b@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n"
_BPMN = b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>'
_CONTENTS = (
    *(samples.CSV, samples.JSON, samples.XML, samples.PROSE, samples.DBF, samples.PARQUET),
    *(samples.NOISE, samples.PDF, samples.PNG, samples.XLSX, samples.SVG, _MAIL, _BPMN),
    *(matroska(), mp3(), mp4(), wav(), b"\xff\xfb\x90\x64" + bytes(413)),
    *(b"Obj\1" + bytes(40), b"$FL2@(#) SPSS" + bytes(40), b"<stata_dta>" + bytes(40)),
    *(b"\x72\x02\x01\0" + bytes(60), b"\0\1\0\0Standard Jet DB\0" + bytes(200)),
    *(b"ORC\1\2\3\4\5", b"FEA1" + bytes(9), b"ARROW1" + bytes(9), b"BM" + bytes(60)),
    *(b"GIF89a" + bytes(9), b"II*\0" + bytes(9), b"MM\0*" + bytes(9), b"fLaC", b"RF64....WAVE"),
    *(b"RIFF....WEBPVP8 ", b"....ftypheic", b"....moov\0\0\0\0\0\0\0\0", b"{\\rtf1 a}"),
    *(b"<!DOCTYPE html><p>a", b"<p><b>a</b>", b'<x:html xmlns:x="http://www.w3.org/1999/xhtml"/>'),
    *(
        f"<?xml version='1.0'?>{_BPMN.decode()}".encode("utf-16"),
        samples.SVG.decode().encode("utf-16"),
    ),
    *(map(samples.archive, ("word/document.xml", "ppt/presentation.xml", "visio/document.xml"))),
    *(map(samples.archive, ("xl/workbook.bin", "notes.txt"))),
    b"7z\xbc\xaf\x27\x1c" + bytes(30),
    samples.CSV.decode().encode("utf-16"),
    samples.JSON.decode().encode("utf-16"),
    b"\xef\xbb\xbf \n" + samples.JSON,
    b"\xef\xbb\xbf\n" + samples.XML,
)


@pytest.mark.parametrize("shipped", SHIPPED, ids=[one.name for one in SHIPPED])
def test_what_is_known_before_a_converter_is_imported_is_what_its_class_says(
    shipped: Shipped,
) -> None:
    converter = default_converters().named(shipped.name)

    assert converter is not None
    assert type(converter).__name__ == shipped.place.partition(":")[2]
    assert (converter.name, converter.suffixes, converter.priority) == (
        shipped.name,
        shipped.suffixes,
        shipped.priority,
    )


@pytest.mark.parametrize("name", ["a", "a.csv", "a.xml", "a.zip", "a.mp3", "a.json.gz", "a.docx"])
def test_nobody_who_would_take_a_content_is_left_out(source: Writes, name: str) -> None:
    registry = default_converters()
    chance = random.Random(17)
    for content in _contents(chance):
        file = source(content, name)
        head = content[:HEAD_BYTES]
        taking = [one.name for one in registry if one.detect(file, head) > 0]
        asked = {one.name for one in registry.concerned(file, head)}
        assert set(taking) <= asked, head[:80]


def _contents(chance: random.Random) -> list[bytes]:
    """The samples, packed, and with bytes at their beginning that are others."""
    found = [*_CONTENTS, *(gzip.compress(one, mtime=0) for one in _CONTENTS)]
    for one in _CONTENTS:
        for _ in range(4):
            bent = bytearray(one)
            for _ in range(chance.randint(1, 3)):
                bent[chance.randrange(min(len(bent), 64))] = chance.randrange(256)
            found.append(bytes(bent))
    return found


_REPORT = """
import json, sys
from kmflow_orchestration.operations.convert.lean_arrow import import_arrow
import_arrow()
from kmflow_orchestration.operations.convert.contained_files import convert_whole
convert_whole(sys.argv[1], sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


def test_a_csv_is_converted_without_the_readers_of_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(samples.CSV)

    told = subprocess.run(
        [sys.executable, "-c", _REPORT, str(path), str(tmp_path / "loans.parquet")],
        check=True,
        stdout=subprocess.PIPE,
    )

    loaded = set(json.loads(told.stdout))
    ours = "kmflow_orchestration.converters."
    others = {one.place.partition(":")[0] for one in SHIPPED} - {"delimited"}
    assert f"{ours}delimited" in loaded
    assert not {f"{ours}{one}" for one in others} & loaded
    libraries = {"lxml", "olefile", "openpyxl", "pypdfium2", "python_calamine", "fastavro", "PIL"}
    assert not {*libraries, "numpy", "pandas", "xml.sax", "puremagic"} & loaded


def test_a_registry_tells_who_claims_a_suffix_and_loads_nobody() -> None:
    code = (
        "import sys; from kmflow_orchestration.converters.registry import default_converters\n"
        "assert default_converters().claims('.PDF')\n"
        "assert not default_converters().claims('.none')\n"
        "assert 'kmflow_orchestration.converters.documents.pdf' not in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
