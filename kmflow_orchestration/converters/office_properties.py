"""What an Office Open XML package says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from kmflow_orchestration.converters.document_archive import DocumentArchive
from kmflow_orchestration.converters.safe_xml import child, text_of

_TOLD = (
    ("core-properties", "title", "title"),
    ("core-properties", "subject", "subject"),
    ("core-properties", "creator", "author"),
    ("core-properties", "keywords", "keywords"),
    ("core-properties", "category", "category"),
    ("core-properties", "description", "comments"),
    ("core-properties", "contentStatus", "status"),
    ("core-properties", "lastModifiedBy", "last_editor"),
    ("core-properties", "revision", "revision"),
    ("core-properties", "created", "created"),
    ("core-properties", "modified", "modified"),
    ("extended-properties", "Pages", "pages"),
    ("extended-properties", "Slides", "slides"),
    ("extended-properties", "Words", "words"),
)


def office_properties(archive: DocumentArchive) -> Mapping[str, str]:
    """Only those that are set."""
    parts = {
        one.kind: archive.xml(one.target)
        for one in archive.relations("")
        if one.kind in ("core-properties", "extended-properties") and one.target in archive.names
    }
    found = {told: text_of(child(parts[kind], name)) for kind, name, told in _TOLD if kind in parts}
    return {name: value for name, value in found.items() if value}
