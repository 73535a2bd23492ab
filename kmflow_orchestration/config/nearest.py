"""The known name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(name: str, known: Collection[str]) -> str:
    """`: did you mean …?` when a known name is close, else ''."""
    near = _closest(name, known)
    return f": did you mean {near}?" if near else ""


def nearest_or_all(name: str, known: Collection[str]) -> str:
    """A hint that names what was probably meant, or all there is."""
    near = _closest(name, known)
    return f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"


def _closest(name: str, known: Collection[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")
