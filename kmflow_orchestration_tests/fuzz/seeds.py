"""A small sound file of each format we read, by its name."""

from __future__ import annotations

import gzip
import io
import tempfile
from datetime import date
from email.message import EmailMessage
from pathlib import Path

from kmflow_orchestration_tests.converters.access_samples import access_file
from kmflow_orchestration_tests.converters.archives.bundles import seven_zipped, tarred, zipped
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.documents.office_samples import slides, word
from kmflow_orchestration_tests.converters.documents.page_samples import HTML, RTF, odt, pdf
from kmflow_orchestration_tests.converters.jet3_file import OldTable, jet3_file
from kmflow_orchestration_tests.converters.mail.test_mail import MSG
from kmflow_orchestration_tests.converters.process_models.samples import (
    BPMN,
    DMN,
    DRAWIO,
    visio,
)
from kmflow_orchestration_tests.converters.recording_samples import flac, matroska, mp3, mp4, wav
from kmflow_orchestration_tests.converters.sas_samples import SasColumn, sas_data_set


def _csv() -> bytes:
    lines = [
        'id,name,"amount, gross",day',
        '1,Ann,"1,50",2026-11-20',
        '2,"B ""x""",2.25,2026-11-21',
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _semicolons() -> bytes:
    rows = [f"{number};caf\u00e9 {number};{number},5" for number in range(12)]
    return "\n".join(["Report", "", "nr;name;value", *rows, "total;;66"]).encode("cp1252")


def _workbook() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    for row in (["Title"], [], ["id", "day"], [1, date(2026, 11, 20)], [2.5, None]):
        sheet.append(row)
    sheet.merge_cells("A4:B4")
    book.create_sheet("more").append(["x"])
    found = io.BytesIO()
    book.save(found)
    return found.getvalue()


def _text() -> bytes:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    return f"Heading\n=======\n\nA caf\u00e9.\n\n- one\n- two\n\n{table}".encode()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "tags": [["a"], None]}), found)
    return found.getvalue()


def _avro() -> bytes:
    import fastavro

    fields = [
        {"name": "id", "type": "long"},
        {"name": "tags", "type": ["null", {"type": "array", "items": "string"}]},
    ]
    found = io.BytesIO()
    schema = {"type": "record", "name": "Loan", "fields": fields}
    fastavro.writer(found, schema, [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": None}])
    return found.getvalue()


def _survey(suffix: str) -> bytes:
    """The library writes files only, never streams."""
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame({"id": [1.0, 2.5], "name": ["Ann", "Ben"]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        if suffix in (".por", ".xpt"):
            writer = pyreadstat.write_por if suffix == ".por" else pyreadstat.write_xport
            writer(frame, str(path), column_labels={"id": "one"})
            return path.read_bytes()
        writer = pyreadstat.write_dta if suffix == ".dta" else pyreadstat.write_sav
        writer(frame, str(path), variable_value_labels={"id": {1: "one"}})
        return path.read_bytes()


def _picture(kind: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F] = "Kamera"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    found = io.BytesIO()
    Image.linear_gradient("L").resize((48, 32)).save(found, format=kind, exif=exif)
    return found.getvalue()


def _mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.example", "b@x.example", "Numbers"
    message["Date"] = "Fri, 20 Nov 2026 10:00:00 +0100"
    message.set_content("see the table")
    message.add_attachment(_csv(), maintype="text", subtype="csv", filename="t.csv")
    return bytes(message)


_JSON_LINES = b'{"id": 9007199254740993, "at": "2026-11-20", "n": [1]}\n{"id": 2, "more": null}\n'
_XML = b"""<?xml version="1.0"?><all xmlns:x="urn:x">
<row id="1"><name>A &amp; B</name><x:n>1.50</x:n></row><row id="2"><name/><n>2</n></row></all>"""

_RECORDS = (b"    1Ann   20261120", b"*   2Ben           ", b"   -3      19990102")

_BUNDLE = {
    "a/table.csv": _csv(),
    "notes.md": _text(),
    "inner.zip": zipped(
        {"lines.jsonl": _JSON_LINES, "table.csv.gz": gzip.compress(_csv(), mtime=0)}
    ),
}

SEEDS: dict[str, bytes] = {
    "table.csv": _csv(),
    "loans.avro": _avro(),
    "loans.mdb": access_file("jet4.mdb"),
    "cases.accdb": access_file("ace.accdb"),
    "old.mdb": jet3_file([OldTable("Old", (("id", "long"), ("name", "text")), [(1, "Ann")] * 3)]),
    "survey.sav": _survey(".sav"),
    "survey.dta": _survey(".dta"),
    "survey.por": _survey(".por"),
    "survey.xpt": _survey(".xpt"),
    "survey.sas7bdat": sas_data_set([SasColumn("id"), SasColumn("who", 4)], [[1.0, "Ann"]] * 3),
    "scan.png": _picture("PNG"),
    "photo.jpg": _picture("JPEG"),
    "fax.tif": _picture("TIFF"),
    "icon.webp": _picture("WEBP"),
    "call.wav": wav(),
    "call.mp3": mp3(),
    "call.flac": flac(),
    "film.mp4": mp4(),
    "film.mkv": matroska(),
    "export.txt": _semicolons(),
    "tabs.tsv": _csv().replace(b",", b"\t"),
    "book.xlsx": _workbook(),
    "notes.md": _text(),
    "notes.txt": _text(),
    "lines.jsonl": _JSON_LINES,
    "packed.json.gz": gzip.compress(
        b'{"items": [' + _JSON_LINES.replace(b"\n", b",")[:-1] + b"]}", mtime=0
    ),
    "records.xml": _XML,
    "table.dbf": dbf_bytes((("ID", "N", 4), ("NAME", "C", 6), ("DUE", "D", 8)), _RECORDS),
    "table.parquet": _parquet(),
    "process.bpmn": BPMN.encode(),
    "rules.dmn": DMN.encode(),
    "drawing.drawio": DRAWIO.encode(),
    "drawing.vsdx": visio(),
    "policy.docx": word(),
    "kickoff.pptx": slides(),
    "tariff.pdf": pdf(),
    "returns.html": HTML.encode(),
    "handover.rtf": RTF.encode(),
    "access.odt": odt(),
    "request.eml": _mail(),
    "archive.mbox": b"From a@x.example Fri Nov 20 10:00:00 2026\n" + _mail() + b"\n",
    "numbers.msg": MSG,
    "packed.csv.gz": gzip.compress(_csv(), mtime=0),
    "bundle.zip": zipped(_BUNDLE),
    "bundle.7z": seven_zipped(_BUNDLE),
    "bundle.tar": tarred(_BUNDLE),
    "bundle.tar.gz": gzip.compress(tarred(_BUNDLE), mtime=0),
}
