"""What a Markdown file says of itself between two lines of dashes at its top (row D35)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.converters.document_tables import as_json
from kmflow_orchestration.converters.text_encoding import storable

_MAX_CHARS = 64 << 10
_TOLD = {
    "title": "title",
    "author": "author",
    "subject": "subject",
    "keywords": "keywords",
    "tags": "keywords",
    "date": "created",
    "created": "created",
    "modified": "modified",
    "updated": "modified",
}


def front_matter(text: str) -> dict[str, Any]:
    """Names and values; empty without any, or for what is none: it stays text as it is."""
    lines = text[:_MAX_CHARS].splitlines()
    if not lines or lines[0].rstrip() != "---":
        return {}
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), 0)
    return _read("\n".join(lines[1:end])) if end else {}


def _read(text: str) -> dict[str, Any]:
    import yaml

    try:
        # What refers to itself would grow without end when it is written out.
        if any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text, yaml.SafeLoader)):
            return {}
        found = yaml.safe_load(text)
    # Dates that no calendar has, and nesting without end.
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items()}


def told_properties(found: Mapping[str, Any]) -> dict[str, str]:
    """Under the names that properties of documents have."""
    told: dict[str, str] = {}
    for name, value in found.items():
        known = _TOLD.get(name.lower())
        if known and value is not None and known not in told:
            listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            told[known] = storable(listed)
    return told


def front_matter_json(found: Mapping[str, Any]) -> str:
    return as_json(dict(found)) if found else ""
