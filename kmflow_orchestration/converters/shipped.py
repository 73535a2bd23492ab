"""Our own converters by name, each imported when a file may be its own.

What stands here of a converter is what its class says: a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kmflow_orchestration.converters.first_look import FirstLook
from kmflow_orchestration.converters.packed_source import packed_suffixes

_PACKAGE = "kmflow_orchestration.converters"


@dataclass(frozen=True, slots=True)
class Shipped:
    """`place` is its module below this package, and its class; `concerns` is asked of content."""

    name: str
    place: str
    suffixes: tuple[str, ...]
    concerns: Callable[[FirstLook], bool]
    priority: int = 0

    def load(self, *given: Any) -> Any:
        """The converter; `given` is what its class is made with."""
        module, _, kind = self.place.partition(":")
        return getattr(import_module(f"{_PACKAGE}.{module}"), kind)(*given)


ARCHIVE = Shipped(
    "archive",
    "archives.converter:ArchiveConverter",
    (
        *(".zip", ".7z", ".tar", ".tgz", ".tbz2", ".txz", ".tzst"),
        *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"),
    ),
    FirstLook.is_archive,
)
# In the order in which they are listed, and asked.
SHIPPED = (
    Shipped(
        "access",
        "access_databases.converter:AccessConverter",
        (".mdb", ".accdb"),
        FirstLook.is_access,
    ),
    Shipped(
        "arrow",
        "arrow_files:ArrowFileConverter",
        (".parquet", ".feather", ".arrow", ".orc"),
        FirstLook.is_arrow,
    ),
    Shipped("avro", "avro_files:AvroConverter", (".avro",), FirstLook.is_avro),
    Shipped("dbase", "dbase:DbaseConverter", (".dbf",), FirstLook.is_dbase),
    Shipped(
        "delimited",
        "delimited:DelimitedConverter",
        packed_suffixes((".csv", ".tsv", ".tab", ".psv")),
        FirstLook.is_lines,
    ),
    Shipped(
        "json",
        "json_records:JsonConverter",
        packed_suffixes((".json", ".jsonl", ".ndjson", ".geojson")),
        FirstLook.is_json,
    ),
    Shipped(
        "spreadsheet",
        "spreadsheet:SpreadsheetConverter",
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        FirstLook.is_workbook,
    ),
    Shipped(
        "statistics",
        "statistics_files:StatisticsConverter",
        (".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt"),
        FirstLook.is_statistics,
    ),
    Shipped("xml", "xml_records:XmlConverter", packed_suffixes((".xml",)), FirstLook.is_xml),
    Shipped(
        "plain_text",
        "plain_text:PlainTextConverter",
        (".txt", ".md", ".markdown"),
        FirstLook.is_never,
    ),
    Shipped(
        "process_model",
        "process_models.converter:ProcessModelConverter",
        (".bpmn", ".bpmn2", ".dmn", ".drawio", ".dio", ".vsdx"),
        FirstLook.is_process_model,
        priority=1,
    ),
    Shipped("word", "documents.word:WordConverter", (".docx", ".docm"), FirstLook.is_word),
    Shipped(
        "slides",
        "documents.slides:SlidesConverter",
        (".pptx", ".pptm", ".ppsx"),
        FirstLook.is_slides,
    ),
    Shipped("pdf", "documents.pdf:PdfConverter", (".pdf",), FirstLook.is_pdf),
    Shipped(
        "html",
        "documents.html:HtmlConverter",
        (".html", ".htm", ".xhtml"),
        FirstLook.is_html,
        priority=1,
    ),
    Shipped("rtf", "documents.rtf:RtfConverter", (".rtf",), FirstLook.is_rtf),
    Shipped(
        "open_document",
        "documents.open_document:OpenDocumentConverter",
        (".odt",),
        FirstLook.is_open_document,
    ),
    Shipped("mail", "mail.converter:MailConverter", (".eml", ".mbox", ".msg"), FirstLook.is_mail),
    Shipped(
        "image",
        "pictures.converter:PictureConverter",
        (
            *(".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp"),
            *(".heic", ".heif", ".svg"),
        ),
        FirstLook.is_picture,
        priority=1,
    ),
    Shipped(
        "media",
        "recordings.converter:RecordingConverter",
        (
            *(".mp3", ".m4a", ".wav", ".flac", ".ogg", ".oga"),
            *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"),
        ),
        FirstLook.is_recording,
    ),
    ARCHIVE,
)
