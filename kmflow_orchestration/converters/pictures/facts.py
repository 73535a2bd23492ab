"""What is told of a picture: one row, whatever its format."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.text_encoding import storable, utf8_or_western

# Longer texts of programs and cameras are told by their size.
_MAX_BYTES = 1024
TRUNCATED = "truncated"


@dataclass(slots=True)
class PictureFacts:
    """The columns of the table, in their order; '' is not known.

    Mutable while a reader fills it: what was read before a file broke off is kept.
    """

    format: str
    width: str = ""
    height: str = ""
    mode: str = ""
    frames: str = ""
    dpi_x: str = ""
    dpi_y: str = ""
    truncated: str = "false"
    taken_at: str = ""
    taken_offset: str = ""
    camera_make: str = ""
    camera_model: str = ""
    lens: str = ""
    software: str = ""
    orientation: str = ""
    gps_latitude: str = ""
    gps_longitude: str = ""
    gps_altitude: str = ""
    title: str = ""
    description: str = ""
    creator: str = ""
    copyright: str = ""
    keywords: str = ""
    comment: str = ""
    perceptual_hash: str = ""
    exif: str = ""
    text_chunks: str = ""
    details: str = ""
    warnings: list[ConversionWarning] = field(default_factory=list)

    @property
    def row(self) -> list[str]:
        return [storable(getattr(self, name)) for name in COLUMNS]

    def broke_off(self, why: str) -> None:
        """The file ends early, or its pixels are damaged."""
        if self.truncated == "true":
            return
        self.truncated = "true"
        text = f"the picture is cut off or damaged ({why[:200]}): what was read before is here"
        self.warnings.append(ConversionWarning(TRUNCATED, text))

    def set_once(self, **found: str) -> None:
        """Values of what is not known yet: the first source of a fact counts."""
        for name, value in found.items():
            if value and not getattr(self, name):
                setattr(self, name, value)


COLUMNS = tuple(one.name for one in fields(PictureFacts) if one.name != "warnings")


def as_list(words: Iterable[str]) -> str:
    """Words as a JSON list, each once; '' for none."""
    found = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    return json.dumps(found, ensure_ascii=False) if found else ""


def as_object(values: Mapping[str, Any]) -> str:
    """Values of any kind as a JSON object; '' for none."""
    plain = {name: plain_value(value) for name, value in values.items()}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True) if plain else ""


def plain_value(value: Any) -> Any:
    """Fractions as numbers, bytes as text or their size, all else as JSON knows it."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, bytes):
        text = as_text(value)
        is_short = len(value) <= _MAX_BYTES and text.isprintable()
        return text if is_short else f"({len(value)} bytes)"
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, Iterable):
        return [plain_value(inner) for inner in value]
    return as_number(value) or str(value)


def as_text(value: Any) -> str:
    """Text of a tag: UTF-8 where it is, else the letters of western Windows."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value).strip("\0 \t\r\n")
    return utf8_or_western(value).strip("\0 \t\r\n")


def as_number(value: Any) -> str:
    """A fraction as a decimal number; '' for what is none, such as 1/0."""
    try:
        found = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return ""
    if not math.isfinite(found):
        return ""
    text = f"{found:.10g}"
    return f"{found:f}".rstrip("0").rstrip(".") if "e" in text else text
