"""What a single field looks like, for finding out how a file is written; never for typing it."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Look(StrEnum):
    """What a field looks like; a column has one when nearly all its fields share it."""

    EMPTY = "empty"
    NUMBER = "number"
    TIME = "date or time"
    TRUTH = "true or false"
    TEXT = "text"


_SPACE: Final = "[ \u00a0\u202f]"
_NUMBER: Final = re.compile(
    rf"[-+(]?(?:[€$£¥]|[A-Z]{{3}})?{_SPACE}?[-+]?"
    rf"(?:[0-9]{{1,3}}(?:(?:{_SPACE}|[.,'’])[0-9]{{3}})+(?:[.,][0-9]+)?|[0-9]*[.,]?[0-9]+)"
    rf"(?:[eE][-+]?[0-9]+)?{_SPACE}?(?:[%€$£¥]|[A-Z]{{3}})?[)-]?"
)
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_MONTH: Final = r"[^\W\d_]{3,10}\.?"
_DAY: Final = (
    r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}"
    rf"|[0-9]{{1,4}}[-/. ]{{1,2}}{_MONTH}[-/, ]{{1,2}}[0-9]{{2,4}}"
    rf"|{_MONTH} [0-9]{{1,2}},? [0-9]{{4}}"
)
_TIME: Final = re.compile(
    rf"(?:{_DAY})(?:[T ]{_CLOCK}(?:Z| ?[+-][0-9]{{2}}:?[0-9]{{2}})?)?|{_CLOCK}"
)
_TRUTH: Final = frozenset({"true", "false", "yes", "no", "ja", "nein", "oui", "non"})
NULL_WORDS: Final = frozenset(
    {"na", "n/a", "null", "none", "nan", "nil", "-", "--", "?", "#n/a", "\\n", ".", "n.a.", "k.a."}
)
_ADDRESS: Final = re.compile(
    r"(?:https?|ftp|mailto)\S+|[\w.+-]+@[\w-]+\.[\w.-]+|[\w./\\-]+\.\w{2,4}"
)
_PROSE: Final = re.compile(r"[\w .\-'’/&()+#@%°!?€$£]*")
_TORN: Final = re.compile(r"[;|\t~^]|,(?! )|:(?![ /\\])")


@lru_cache(maxsize=65_536)
def look_of(field: str) -> Look:
    """What a field looks like; words for a missing value look empty."""
    text = field.strip()
    lowered = text.lower()
    if not text or lowered in NULL_WORDS:
        return Look.EMPTY
    if len(text) > 40:
        return Look.TEXT
    if _NUMBER.fullmatch(text):
        return Look.NUMBER
    if _TIME.fullmatch(text):
        return Look.TIME
    return Look.TRUTH if lowered in _TRUTH else Look.TEXT


@lru_cache(maxsize=65_536)
def tidiness(field: str) -> float:
    """From 0 to 1, how much a field is one value and not a piece or a pile of several."""
    if look_of(field) is not Look.TEXT:
        return 1.0
    text = field.strip()
    if text[:1] in "\"'" or text[-1:] == '"':
        return 0.1
    if _ADDRESS.fullmatch(text):
        return 1.0
    if any(text.count(left) != text.count(right) for left, right in ("()", "[]", "{}")):
        return 0.3
    if _TORN.search(text):
        return 0.25
    return 0.9 if _PROSE.fullmatch(text) else 0.75
