"""What tells where a picture was taken, wherever it stands, for those who want none of it.

EXIF has a place of its own for it, which is not read then. Other programs write it as text: whole
profiles in hex, properties of XMP, GeoTIFF's tags, `geo:lat=…` as a keyword, or a caption.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.pictures.facts import PictureFacts, as_list, as_object

PLACES_LEFT_OUT = "places_left_out"
# Names of chunks and tags. In Raw profile … lies a whole EXIF, XMP or IPTC.
_NAMES = re.compile(
    r"gps|geo(?!metr)|(?<!isospeed)latitude|longitude|altitude|(?<!subject)location|coordinate"
    r"|raw ?profile|^(0x830e|0x8482|0x85d8|0x87af|0x87b0|0x87b1|0xa480|0xa481|0xc69c)$"
    r"|modelpixelscale|modeltiepoint|modeltransformation|gdal|rpccoefficient",
    re.IGNORECASE,
)
# Words that a chunk of a program has beside a place; a caption may have them beside none.
_WORDS = re.compile(r"gps|latitude|longitude|geo:|location\.iso6709", re.IGNORECASE)
_DECIMAL = r"[+-]?\d{1,3}\.\d{3,}"
_COORDINATES = re.compile(
    rf"{_DECIMAL}\s*°?\s*[NSEW]?\s*[,;/|\s]\s*[NSEW]?\s*{_DECIMAL}"
    r"|[+-]\d{2,6}\.\d+[+-]\d{3,7}\.\d+"
    r"|\d{1,3}\s*(?:°|º|deg)\s*\d{1,2}(?:\.\d+)?\s*['\u2032\u2019]"
    r"|geo:\s*[+-]?\d|geo:\w+\s*=|\b(?:lat|latitude|lon|lng|longitude)\s*[:=]\s*[+-]?\d"
    # "Exif" in hex.
    r"|45786966",
    re.IGNORECASE,
)
_CAPTIONS = ("software", "lens", "title", "description", "creator", "copyright", "comment")


def leave_out_places(facts: PictureFacts) -> None:
    """Take out of what was read all that tells a place, and say how much that was."""
    gone = 0
    for name in _CAPTIONS:
        if _COORDINATES.search(getattr(facts, name)):
            setattr(facts, name, "")
            gone += 1
    if facts.keywords:
        words = json.loads(facts.keywords)
        kept = [word for word in words if not _COORDINATES.search(word)]
        facts.keywords = as_list(kept)
        gone += len(words) - len(kept)
    for name in ("exif", "text_chunks"):
        told = json.loads(getattr(facts, name) or "{}")
        left = {key: one for key, one in told.items() if not tells_place(key, one)}
        setattr(facts, name, as_object(left))
        gone += len(told) - len(left)
    facts.gps_latitude = facts.gps_longitude = facts.gps_altitude = ""
    if gone:
        text = f"{gone} texts and tags that tell a place, or may, were left out"
        facts.warnings.append(ConversionWarning(PLACES_LEFT_OUT, text))


def tells_place(name: str, value: Any) -> bool:
    """Whether a tag tells a place, or may, by its name or what it says."""
    text = value if isinstance(value, str) else ""
    if isinstance(value, Mapping):
        text = json.dumps(value, ensure_ascii=False)
    return any(
        pattern.search(where)
        for pattern, where in ((_NAMES, name), (_WORDS, text), (_COORDINATES, text))
    )
