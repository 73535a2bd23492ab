"""Outputs as JSON (row A13): exact or refused; only what is no number becomes null."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.errors import OutputNotWritable
from kmflow_orchestration.outputs.shapes import plain

NULLED = "not_finite_made_null"
_HINT = "convert it, or take file_format: parquet"


def dump(value: Any, *, is_document: bool, metadata: Mapping[str, str]) -> tuple[bytes, int]:
    """UTF-8 text, two blanks a level, and how many NaN and Infinity became null.

    A document stands alone; any other value stands under `output`, beside `metadata`.

    Raises:
        OutputNotWritable: naming the key of what JSON does not hold.
    """
    counts: Counter[str] = Counter()
    try:
        clean = _clean(value, "$", counts)
        document = clean if is_document else {"output": clean, "metadata": dict(metadata)}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise OutputNotWritable(
            "$: the value is nested too deeply, or holds itself", key="$"
        ) from error
    return text.encode("utf-8"), counts[NULLED]


def load(content: bytes, *, is_document: bool) -> Any:
    """The value that was dumped."""
    document = json.loads(content)
    return document if is_document else document["output"]


def _clean(value: Any, key: str, counts: Counter[str]) -> Any:
    value = plain(value)
    if isinstance(value, str):
        return checked_text(value, key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return checked_integer(value, key)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        counts[NULLED] += 1
        return None
    if isinstance(value, Mapping):
        return {name: _clean(one, inner, counts) for name, one, inner in _entries(value, key)}
    if isinstance(value, list | tuple):
        return [_clean(one, f"{key}[{index}]", counts) for index, one in enumerate(value)]
    raise OutputNotWritable(f"{key}: JSON holds no {type(value).__name__}", key=key, hint=_HINT)


def _entries(value: Mapping[Any, Any], key: str) -> Iterator[tuple[str, Any, str]]:
    for name, one in value.items():
        if not isinstance(name, str):
            raise OutputNotWritable(
                f"{key}: the key {name!r} is a {type(name).__name__}, JSON has text only",
                key=key,
                hint="make the key a text",
            )
        yield checked_text(name, key), one, f"{key}.{name}"


def checked_integer(value: int, key: str) -> int:
    """An integer that can be printed and read again. Raises OutputNotWritable."""
    # Python itself refuses to print or read longer ones.
    if value.bit_length() > 14_000:
        raise OutputNotWritable(f"{key}: an integer of thousands of digits", key=key)
    return value


def checked_text(text: str, key: str) -> str:
    """A text that has a form in UTF-8. Raises OutputNotWritable."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise OutputNotWritable(f"{key}: the text is no UTF-8", key=key) from error
    return text
