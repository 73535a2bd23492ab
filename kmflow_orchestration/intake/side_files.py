"""Side files: `<name>.meta.yaml` beside a landing file says where it came from (design AD5).

A side file never keeps its file out: what it gets wrong is a warning that stays with the item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from kmflow_orchestration.intake.categories import CATEGORIES, CLASSIFICATIONS
from kmflow_orchestration.metadata.intake_records import SideFile

SUFFIX = ".meta.yaml"
MAX_BYTES = 16_384
_LONGEST = 255
# The parser takes quadratic time over nested brackets; an honest side file has none.
_MOST_BRACKETS = 100
# How YAML writes that there is no value.
_NOTHING = (None, "", "~", "null")


def parse(content: bytes) -> SideFile:
    """What a side file says, with a warning for everything in it that cannot be used."""
    import yaml

    if len(content) > MAX_BYTES:
        return SideFile(warnings=(f"side file is larger than {MAX_BYTES} bytes",))
    if content.count(b"[") + content.count(b"{") > _MOST_BRACKETS:
        return SideFile(warnings=("side file is no YAML: too many brackets",))
    try:
        # Texts, lists and mappings only: a loader that builds values also lets through whatever
        # their making raises, such as an IndexError of `!!int ""`.
        fields = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506 - builds no objects
    # Bytes that are no text are a ValueError, deep nesting is a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return SideFile(warnings=(f"side file is no YAML: {_first_line(error)}",))
    if fields in _NOTHING:
        return SideFile()
    if not isinstance(fields, Mapping):
        return SideFile(warnings=("side file is no mapping of names to values",))
    return _checked(fields)


def unreadable(reason: str) -> SideFile:
    """A side file that is there but cannot be read."""
    return SideFile(warnings=(f"side file cannot be read: {reason}",))


def _checked(fields: Mapping[object, object]) -> SideFile:
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name, value in fields.items():
        check = _CHECKS.get(str(name))
        if check is None:
            warnings.append(f"unknown field {str(name)[:50]!r}")
        elif value not in _NOTHING:
            try:
                values[str(name)] = check(value)
            except ValueError as error:
                warnings.append(f"{name}: {error}")
    return SideFile(**values, warnings=tuple(warnings))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - one kind of refusal for all checks
    # Lone surrogates, which YAML escapes can make, have no place in a database or in UTF-8.
    text = value.strip().encode("utf-8", "replace").decode("utf-8")
    if len(text) > _LONGEST or any(ord(char) < 32 for char in text):
        raise ValueError(f"must be one line of at most {_LONGEST} characters")
    return text


def _day(value: object) -> date:
    try:
        return datetime.fromisoformat(_text(value)).date()
    except ValueError as error:
        raise ValueError("must be a date such as 2026-11-20") from error


def _one_of(allowed: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = _text(value).lower()
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return check


_CHECKS: Mapping[str, Callable[[object], Any]] = {
    "source_type": lambda value: _text(value).lower(),
    "source_date": _day,
    "author": _text,
    "source_system": _text,
    "category": _one_of(CATEGORIES),
    "classification": _one_of(CLASSIFICATIONS),
}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
