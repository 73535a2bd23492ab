"""Which types of content may enter; a file's name is a hint and no more (row B12)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake.categories import media_type_of
from kmflow_orchestration.intake.entry_rules import TYPE_NOT_ALLOWED

# The row's own list, and what our converters take besides. A new converter adds its types here.
ALLOWED = frozenset(
    {
        "application/pdf",
        "application/msword",
        media_types.DOCX,
        "application/vnd.ms-excel",
        media_types.XLSX,
        "application/vnd.ms-excel.sheet.macroenabled.12",
        "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        "application/vnd.ms-powerpoint",
        media_types.PPTX,
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/rtf",
        "message/rfc822",
        "application/mbox",
        "application/vnd.ms-outlook",
        "application/vnd.ms-visio.drawing",
        # An office file behind a password: conversion says so.
        media_types.ENCRYPTED,
        media_types.ACCESS,
        media_types.DBF,
        media_types.PARQUET,
        media_types.ARROW,
        media_types.ORC,
        media_types.AVRO,
        media_types.SPSS,
        media_types.STATA,
        media_types.SAS,
        media_types.SPSS_PORTABLE,
        media_types.SAS_TRANSPORT,
        media_types.PLAIN_TEXT,
        "text/csv",
        "text/html",
        "text/markdown",
        "text/tab-separated-values",
        "text/xml",
        "text/yaml",
        "application/xml",
        "application/json",
        "application/jsonl",
        "application/yaml",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/svg+xml",
        "image/tiff",
        "image/bmp",
        "image/webp",
        "image/heic",
        "image/heif",
        "audio/mpeg",
        "audio/mp4",
        "audio/wav",
        "audio/flac",
        "audio/ogg",
        "video/mp4",
        "video/quicktime",
        "video/x-matroska",
        "video/webm",
        "video/x-msvideo",
        media_types.ZIP,
        media_types.TAR,
        media_types.SEVEN_ZIP,
        media_types.GZIP,
        media_types.BZIP2,
        media_types.ZSTD,
        media_types.XZ,
    }
)
# Formats of which some tools write what nobody can tell from noise.
_MAY_BE_UNKNOWN = frozenset({".bpmn", ".bpmn2", ".xes", ".vsdx"})
# Text that only its name tells from other text.
_KINDS_OF_TEXT = frozenset(
    {
        "text/csv",
        "text/html",
        "text/markdown",
        "text/tab-separated-values",
        "application/json",
        "application/jsonl",
        "application/mbox",
        "application/xml",
        "application/yaml",
        "image/svg+xml",
        "message/rfc822",
    }
)
# What a name may add to what the content proves.
_REFINED_BY_NAME: Mapping[str, AbstractSet[str]] = {
    media_types.PLAIN_TEXT: _KINDS_OF_TEXT,
    "application/json": {"application/jsonl", "application/yaml"},
}


def check_type(path: str, found: str) -> str:
    """The media type to keep of a file whose content proves to be `found`.

    Raises:
        QuarantinedFile: that type may not enter.
    """
    may_be_unknown = found == media_types.OCTET_STREAM and _suffix(path) in _MAY_BE_UNKNOWN
    if found not in ALLOWED and not may_be_unknown:
        raise QuarantinedFile(
            f"{path} is {_shown(found)}, which may not enter",
            reason=TYPE_NOT_ALLOWED,
            hint="drop it in a format that may, or leave it out",
        )
    hinted = media_type_of(path)
    return hinted if hinted in _REFINED_BY_NAME.get(found, frozenset()) else found


def mismatch(path: str, kept: str) -> str:
    """A warning where a name promises another type than the content's, else ''."""
    hinted = media_type_of(path)
    is_promised = hinted == kept or (hinted == media_types.PLAIN_TEXT and kept in _KINDS_OF_TEXT)
    if is_promised or hinted == media_types.OCTET_STREAM:
        return ""
    return f"the name ends in {_suffix(path)}, the content is {kept}"


def _shown(found: str) -> str:
    if found == media_types.OCTET_STREAM:
        return "of no type we know (it may be damaged)"
    return found


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
