"""The converters we have (row D23)."""

from __future__ import annotations

from kmflow_orchestration.converters.converter_registry import ConverterRegistry

__all__ = ["ConverterRegistry", "default_converters"]


def default_converters() -> ConverterRegistry:
    """A registry of every converter that ships, and of the plugins that are there.

    Raises:
        ConfigurationError: a plugin has the name of another converter, or claims a suffix of one
            with the same priority.
    """
    from kmflow_orchestration.converters.access_databases.converter import AccessConverter
    from kmflow_orchestration.converters.archives.converter import ArchiveConverter
    from kmflow_orchestration.converters.arrow_files import ArrowFileConverter
    from kmflow_orchestration.converters.avro_files import AvroConverter
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
    from kmflow_orchestration.converters.pictures.converter import PictureConverter
    from kmflow_orchestration.converters.plain_text import PlainTextConverter
    from kmflow_orchestration.converters.plugins import installed_plugins
    from kmflow_orchestration.converters.process_models.converter import ProcessModelConverter
    from kmflow_orchestration.converters.recordings.converter import RecordingConverter
    from kmflow_orchestration.converters.spreadsheet import SpreadsheetConverter
    from kmflow_orchestration.converters.statistics_files import StatisticsConverter
    from kmflow_orchestration.converters.xml_records import XmlConverter

    return ConverterRegistry(
        (
            AccessConverter(),
            ArrowFileConverter(),
            AvroConverter(),
            DbaseConverter(),
            DelimitedConverter(),
            JsonConverter(),
            SpreadsheetConverter(),
            StatisticsConverter(),
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
            PictureConverter(),
            RecordingConverter(),
            ArchiveConverter(default_converters),
            *installed_plugins().converters,
        )
    )
