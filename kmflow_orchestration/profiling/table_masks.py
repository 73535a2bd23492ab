"""Which tables of a table group a run looks at: include and exclude masks (row E23)."""

from __future__ import annotations

import re


def matches(mask: str, name: str) -> bool:
    """Whether a name fits any of the comma-separated patterns, whatever its case.

    `*` and `%` stand for any text, `?` and `_` for one character, as files and SQL have it.
    """
    return any(
        re.fullmatch(_expression(pattern.strip()), name, re.IGNORECASE | re.DOTALL)
        for pattern in mask.split(",")
        if pattern.strip()
    )


def _expression(pattern: str) -> str:
    return "".join(
        ".*" if char in "*%" else "." if char in "?_" else re.escape(char) for char in pattern
    )


def is_selected(name: str, *, include: str | None, exclude: str | None) -> bool:
    """Included by any include pattern, or by there being none; and by no exclude pattern hit."""
    included = not (include or "").strip(" ,") or matches(include or "", name)
    return included and not matches(exclude or "", name)
