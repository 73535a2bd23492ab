"""Texts of cells that were taken from a sheet's XML as they stand, as columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.workbook_alike import bytes_of

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
# What the reader may decode, trim or turn into something else: in a text, and in texts with a `<`
# before and behind each.
_ODD = re.compile(r"[&\r\n\t]|_x|\A\s|\s\Z")
_SIGNS_WITHIN = (b"&", b"\r", b"\n", b"\t", b"_x")
_SIGNS_OF_ODD = (*_SIGNS_WITHIN, b" <", b"< ")
_IN_NUMBERS = b"0123456789-+.eE"


class UnlikeRowsError(Exception):
    """The sheet is not as its first rows are."""


def side_by_side(columns: Sequence[Sequence[bytes]]) -> Sequence[bytes | None]:
    """Of each row the one text there is; None without one."""
    texts = columns[0]
    if len(columns) > 1:
        texts = [next(filter(None, row), b"") for row in zip(*columns, strict=True)]
    return [text or None for text in texts] if b"" in texts else texts


def is_odd(text: str) -> bool:
    return _ODD.search(text) is not None


def may_be_odd(texts: Sequence[bytes]) -> bool:
    # No text has a `<`.
    joined = b"<".join((b"", *texts, b""))
    return not joined.isascii() or any(sign in joined for sign in _SIGNS_OF_ODD)


def are_odd(values: Any) -> bool:
    """The same of an array of bytes that was just made."""
    joined = bytes_of(values)
    return (
        not joined.isascii()
        or any(sign in joined for sign in _SIGNS_WITHIN)
        or pc.any(pc.starts_with(values, " ")).as_py()
        or pc.any(pc.ends_with(values, " ")).as_py()
    )


def number(text: bytes) -> float:
    try:
        found = float(text)
    except ValueError as error:
        raise UnlikeRowsError from error
    if not isfinite(found):
        raise UnlikeRowsError
    return found


def numbers(texts: Sequence[Any]) -> Any:
    return _as_numbers(text_array(texts))


def numbers_of_bytes(values: Any) -> Any:
    """Numbers of an array of bytes that was just made, as those of texts are."""
    if bytes_of(values).translate(None, _IN_NUMBERS):
        raise UnlikeRowsError
    return _as_numbers(values.cast(pa.string()))


def _as_numbers(texts: Any) -> Any:
    try:
        found = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid as error:
        raise UnlikeRowsError from error
    if pc.all(pc.is_finite(found)).as_py() is False:
        raise UnlikeRowsError
    return found


def text_array(texts: Sequence[Any]) -> Any:
    try:
        return pa.array(texts, pa.string())
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise UnlikeRowsError from error


def has_blank_row(columns: Iterable[Any], count: int) -> bool:
    blank: set[int] | None = None
    for cells in columns:
        if isinstance(cells, pa.Array):
            if not cells.null_count:
                return False
            gaps = {at for at, is_null in enumerate(cells.is_null().to_pylist()) if is_null}
        else:
            gaps = {at for at, cell in enumerate(cells) if cell == ""}
        blank = gaps if blank is None else blank & gaps
        if not blank:
            return False
    return bool(count)
