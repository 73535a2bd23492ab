"""What people wrote into a picture: XMP, IPTC, and the text chunks of PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.pictures.facts import (
    PictureFacts,
    as_list,
    as_object,
    as_text,
)
from kmflow_orchestration.converters.safe_xml import local_name, parse_xml, text_of
from kmflow_orchestration.errors import CorruptInput

_XMP_CHUNK = "XML:com.adobe.xmp"


def read_xmp(content: Any, facts: PictureFacts) -> None:
    """Dublin Core of an XMP packet; a damaged one is told and leaves the rest of the picture."""
    raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if not isinstance(raw, bytes) or not raw.strip(b"\0 \t\r\n"):
        return
    try:
        root = parse_xml(raw.strip(b"\0 \t\r\n"), "the XMP packet")
    except CorruptInput as error:
        facts.warnings.append(ConversionWarning("xmp_damaged", error.message))
        return
    found: dict[str, list[str]] = {}
    for element in root.iter():
        name = local_name(element)
        if name in ("title", "description", "creator", "rights", "subject"):
            items = [text_of(one) for one in element.iter() if local_name(one) == "li"]
            found.setdefault(name, []).extend(items or [text_of(element)])
    facts.set_once(
        title=_first(found.get("title")),
        description=_first(found.get("description")),
        creator="; ".join(filter(None, found.get("creator", ()))),
        copyright=_first(found.get("rights")),
    )
    _add_keywords(facts, found.get("subject", []))


def _first(texts: list[str] | None) -> str:
    return next(filter(None, texts or ()), "")


def read_iptc(records: Mapping[Any, Any] | None, facts: PictureFacts) -> None:
    """IPTC records by their numbers: title, keywords, by-line, copyright, caption."""
    texts = {key: list(_texts(value)) for key, value in (records or {}).items()}
    facts.set_once(
        title=_first(texts.get((2, 5))),
        creator="; ".join(filter(None, texts.get((2, 80), ()))),
        copyright=_first(texts.get((2, 116))),
        description=_first(texts.get((2, 120))),
    )
    _add_keywords(facts, texts.get((2, 25), []))


def _texts(value: Any) -> Iterator[str]:
    yield from map(as_text, value if isinstance(value, list) else [value])


def _add_keywords(facts: PictureFacts, words: list[str]) -> None:
    known = json.loads(facts.keywords) if facts.keywords else []
    facts.keywords = as_list([*known, *words])


def read_text_chunks(chunks: Mapping[str, Any], facts: PictureFacts) -> None:
    """All of them, and those that PNG itself names as title, description and so on."""
    told = {str(name): str(text) for name, text in chunks.items() if name != _XMP_CHUNK}
    facts.set_once(
        title=told.get("Title", ""),
        description=told.get("Description", ""),
        creator=told.get("Author", ""),
        copyright=told.get("Copyright", ""),
        software=told.get("Software", ""),
        comment=told.get("Comment", ""),
    )
    facts.text_chunks = as_object(told)
