"""The 12 evidence categories; category, format and media type as a file's name has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

CATEGORIES = (
    "documents",
    "images",
    "audio",
    "video",
    "structured_data",
    "saas_exports",
    "km4work",
    "bpm_process_models",
    "regulatory_policy",
    "controls_evidence",
    "domain_communications",
    "job_aids_edge_cases",
)
CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
UNKNOWN_FORMAT = "unknown"
_DEFAULT = "documents"

_SUFFIXES: Mapping[str, str] = {
    "documents": ".pdf .docx .doc .pptx .txt .html .htm .md",
    "structured_data": (
        ".xlsx .xls .csv .json .xes .avro .sav .zsav .por .dta .sas7bdat .xpt .mdb .accdb"
    ),
    "bpm_process_models": ".bpmn .bpmn2 .vsdx .aml .dmn",
    "images": ".png .jpg .jpeg .gif .svg .tiff .tif .bmp .webp .heic .heif",
    "audio": ".mp3 .wav .m4a .ogg .oga .flac",
    "video": ".mp4 .m4v .avi .mov .mkv .webm",
    "regulatory_policy": ".reg .policy",
    "domain_communications": ".eml .mbox .chat .msg",
    "km4work": ".km4w .km4work",
    "job_aids_edge_cases": ".jobaid .edgecase",
    "saas_exports": ".salesforce .sap_export .servicenow_export",
    "controls_evidence": ".ctrl .audit .monitor",
}
_CATEGORY_OF = {
    suffix: category for category, suffixes in _SUFFIXES.items() for suffix in suffixes.split()
}

# Our own table: the standard library's reads files of the machine, so it differs between machines.
_MEDIA_TYPES: Mapping[str, str] = {
    ".pdf": "application/pdf",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".rtf": "application/rtf",
    ".vsdx": "application/vnd.ms-visio.drawing",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".html": "text/html",
    ".htm": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".geojson": "application/json",
    ".xml": "application/xml",
    ".xes": "application/xml",
    ".bpmn": "application/xml",
    ".bpmn2": "application/xml",
    ".dmn": "application/xml",
    ".aml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".orc": "application/vnd.apache.orc",
    ".dbf": "application/x-dbf",
    ".avro": "application/avro",
    ".sav": "application/x-spss-sav",
    ".zsav": "application/x-spss-sav",
    ".dta": "application/x-stata-dta",
    ".sas7bdat": "application/x-sas-data",
    ".por": "application/x-spss-por",
    ".xpt": "application/x-sas-xport",
    ".mdb": "application/x-msaccess",
    ".accdb": "application/x-msaccess",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".tgz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".tar": "application/x-tar",
    ".7z": "application/x-7z-compressed",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".flac": "audio/flac",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".avi": "video/x-msvideo",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".eml": "message/rfc822",
    ".mbox": "application/mbox",
    ".msg": "application/vnd.ms-outlook",
}


def category_of(file_name: str) -> str:
    """Category by extension; `documents` for an unknown one."""
    return _CATEGORY_OF.get(_suffix(file_name), _DEFAULT)


def format_of(file_name: str) -> str:
    """Extension without its dot, lower case, at most 50 characters; `unknown` without one."""
    return _suffix(file_name)[1:51] or UNKNOWN_FORMAT


def media_type_of(file_name: str) -> str:
    """Media type by extension: no more than a hint."""
    return _MEDIA_TYPES.get(_suffix(file_name), "application/octet-stream")


def _suffix(file_name: str) -> str:
    return PurePosixPath(file_name).suffix.lower()
