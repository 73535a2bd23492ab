"""The converters we have (row D23)."""

from __future__ import annotations

from kmflow_orchestration.converters.converter_registry import ConverterRegistry

__all__ = ["ConverterRegistry", "default_converters"]


def default_converters() -> ConverterRegistry:
    """A registry of every converter that ships."""
    from kmflow_orchestration.converters.archives.converter import ArchiveConverter
    from kmflow_orchestration.converters.arrow_files import ArrowFileConverter
    from kmflow_orchestration.converters.dbase import DbaseConverter
    from kmflow_orchestration.converters.delimited import DelimitedConverter
    from kmflow_orchestration.converters.documents.html import HtmlConverter
    from kmflow_orchestration.converters.documents.open_document import OpenDocumentConverter
    from kmflow_orchestration.converters.documents.pdf import PdfConverter
    from kmflow_orchestration.converters.documents.rtf import RtfConverter
    from kmflow_orchestration.converters.documents.slides import SlidesConverter
    from kmflow_orchestration.converters.documents.word import WordConverter
    from kmflow_orchestration.converters.json_records import JsonConverter
    from kmflow_orchestration.converters.mail.converter import MailConverter
    from kmflow_orchestration.converters.plain_text import PlainTextConverter
    from kmflow_orchestration.converters.process_models.converter import ProcessModelConverter
    from kmflow_orchestration.converters.spreadsheet import SpreadsheetConverter
    from kmflow_orchestration.converters.xml_records import XmlConverter

    return ConverterRegistry(
        (
            ArrowFileConverter(),
            DbaseConverter(),
            DelimitedConverter(),
            JsonConverter(),
            SpreadsheetConverter(),
            XmlConverter(),
            PlainTextConverter(),
            ProcessModelConverter(),
            WordConverter(),
            SlidesConverter(),
            PdfConverter(),
            HtmlConverter(),
            RtfConverter(),
            OpenDocumentConverter(),
            MailConverter(),
            ArchiveConverter(default_converters),
        )
    )
