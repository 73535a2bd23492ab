"""Fields of DBF records as texts the type lattice can judge: whole columns at a time."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.dbase_header import Field

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Texts: TypeAlias = "pa.StringArray"

UTF8 = "utf-8"
# The byte at offset 29 by code page, as dBASE, FoxPro and ESRI's tools write it.
CODE_PAGES: Mapping[int, str] = {
    0x01: "cp437",
    0x02: "cp850",
    0x03: "cp1252",
    0x04: "mac_roman",
    0x08: "cp865",
    0x09: "cp437",
    0x0A: "cp850",
    0x0B: "cp437",
    0x0D: "cp437",
    0x0E: "cp850",
    0x0F: "cp437",
    0x10: "cp850",
    0x11: "cp437",
    0x12: "cp850",
    0x13: "cp932",
    0x14: "cp850",
    0x15: "cp437",
    0x16: "cp850",
    0x17: "cp865",
    0x18: "cp437",
    0x19: "cp437",
    0x1A: "cp850",
    0x1B: "cp437",
    0x1C: "cp863",
    0x1D: "cp850",
    0x1F: "cp852",
    0x22: "cp852",
    0x23: "cp852",
    0x24: "cp860",
    0x25: "cp850",
    0x26: "cp866",
    0x37: "cp850",
    0x40: "cp852",
    0x4D: "gbk",
    0x4E: "cp949",
    0x4F: "cp950",
    0x50: "cp874",
    0x57: "cp1252",
    0x58: "cp1252",
    0x59: "cp1252",
    0x64: "cp852",
    0x65: "cp866",
    0x66: "cp865",
    0x67: "cp861",
    0x6A: "cp737",
    0x6B: "cp857",
    0x6C: "cp863",
    0x78: "cp950",
    0x79: "cp949",
    0x7A: "gbk",
    0x7B: "cp932",
    0x7C: "cp874",
    0x7D: "cp1255",
    0x7E: "cp1256",
    0x86: "cp737",
    0x87: "cp852",
    0x88: "cp857",
    0x96: "mac_cyrillic",
    0x97: "mac_latin2",
    0x98: "mac_greek",
    0xC8: "cp1250",
    0xC9: "cp1251",
    0xCA: "cp1254",
    0xCB: "cp1253",
    0xCC: "cp1257",
}
_BLANKS = " \0"
_TRUE, _FALSE = b"TtYy", b"FfNn"
_UNIX_DAY = 2_440_588
_DAY_MS = 86_400_000
_LAST_DAY = 5_373_484  # 9999-12-31


class Decoder:
    """Bytes in a code page as text; `problems` counts what had to be left out of it."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.problems: Counter[str] = Counter()

    def text(self, content: bytes) -> str:
        """Bytes the code page does not know are kept as their escapes, and counted."""
        try:
            return content.decode(self.encoding)
        except UnicodeDecodeError:
            self.problems["undecodable"] += 1
            return content.decode(self.encoding, "backslashreplace")

    def column(self, raw: Bytes) -> Texts:
        values = _binary(raw)
        if _is_ascii(raw):
            ascii_texts: Texts = pc.cast(values, pa.string())
            return ascii_texts
        encoded = values.dictionary_encode()
        texts = pa.array([self.text(one) for one in encoded.dictionary.to_pylist()], pa.string())
        return texts.take(encoded.indices)


def _binary(raw: Bytes) -> Any:
    width = raw.shape[1]
    fixed = pa.Array.from_buffers(pa.binary(width), len(raw), [None, _buffer(raw)])
    return pc.cast(fixed, pa.binary())


def _buffer(values: Any) -> pa.Buffer:
    content: Any = np.ascontiguousarray(values)
    return pa.py_buffer(content)


def _or_null(values: Texts, is_null: Any) -> Texts:
    found: Texts = pc.if_else(is_null, pa.scalar(None, pa.string()), values)
    return found


def arrow_of(values: Any, kind: Any) -> Any:
    """As an Arrow array, by way of a list: Arrow imported lean knows no NumPy."""
    return pa.array(values.tolist(), kind)


def _mask(is_null: Any) -> Any:
    return arrow_of(is_null, pa.bool_())


def as_texts(raw: Bytes, field: Field, decoder: Decoder, *, is_dbase_7: bool) -> Texts:
    """Values of one field, NULL where it is blank; `raw` has a row of bytes for each record."""
    if field.is_binary:
        return pa.array([base64.b64encode(bytes(one)).decode() for one in raw], pa.string())
    if field.type == "+" or (field.type == "I" and is_dbase_7):
        return _turned_integers(raw)
    return _READERS[field.type](raw, decoder)


def _text(raw: Bytes, decoder: Decoder) -> Texts:
    # Blanks are no part of any other character of UTF-8.
    values = pc.ascii_rtrim(decoder.column(raw), _BLANKS)
    return _or_null(values, pc.equal(values, ""))


def _number(raw: Bytes, decoder: Decoder) -> Texts:
    """As it was written, but for zeros and signs before it that say nothing."""
    values = pc.ascii_trim(decoder.column(raw), _BLANKS)
    is_null = pc.equal(values, "")
    # Other bytes may stand for any character.
    is_unsure = not _is_ascii(raw)
    if is_unsure or (raw == _STAR).any():
        overflows = pc.match_substring_regex(values, r"^\*+$")
        decoder.problems["overflow"] += overflows.true_count
        is_null = pc.or_(overflows, is_null)
    for pattern, plain, may_match in _NUMBER_FORMS:
        # Patterns cost more than all the rest, and hardly any number needs one.
        if is_unsure or may_match(raw):
            values = pc.replace_substring_regex(values, pattern, plain)
    return _or_null(values, is_null)


def _is_ascii(raw: Bytes) -> bool:
    return not len(raw) or int(raw.max()) < 0x80


def _has_zeros_before(raw: Bytes) -> bool:
    is_digit = _is_digit(raw)
    begins = raw[:, :-1] == _ZERO
    begins[:, 1:] &= ~is_digit[:, :-2]
    return bool((begins & is_digit[:, 1:]).any())


def _has_end_without_digits(raw: Bytes) -> bool:
    is_last = np.isin(raw[:, 1:], (0, 0x20))
    return bool((raw[:, -1] == _POINT).any() or ((raw[:, :-1] == _POINT) & is_last).any())


def _is_digit(raw: Bytes) -> Any:
    return (raw >= _ZERO) & (raw <= _ZERO + 9)


_STAR, _PLUS, _MINUS, _POINT, _ZERO = 0x2A, 0x2B, 0x2D, 0x2E, 0x30
_NUMBER_FORMS: tuple[tuple[str, str, Callable[[Bytes], bool]], ...] = (
    (r"^\+", "", lambda raw: bool((raw == _PLUS).any())),
    # Without its sign a zero may stand first.
    (
        *(r"^(-?)0+([0-9])", r"\1\2"),
        _has_zeros_before,
    ),
    (r"^-0$", "0", lambda raw: bool((raw == _MINUS).any())),
    (r"^(-?[0-9]+)\.$", r"\1", _has_end_without_digits),
)


def _date(raw: Bytes, decoder: Decoder) -> Texts:
    is_whole: Any = _is_digit(raw).all(axis=1)
    is_blank: Any = np.isin(raw, (0, 0x20)).all(axis=1)
    if (is_whole | is_blank).all():
        iso = np.full((len(raw), 10), _MINUS, np.uint8)
        iso[:, :4], iso[:, 5:7], iso[:, 8:] = raw[:, :4], raw[:, 4:6], raw[:, 6:]
        is_zero = (raw == _ZERO).all(axis=1)
        return _or_null(
            decoder.column(np.where(is_blank[:, None], np.uint8(_ZERO), iso)),
            _mask(is_blank | is_zero),
        )
    values = pc.utf8_trim(decoder.column(raw), _BLANKS)
    is_null = pc.or_(pc.equal(values, ""), pc.equal(values, "00000000"))
    iso = pc.replace_substring_regex(values, r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3")
    return _or_null(iso, is_null)


def _logical(raw: Bytes, decoder: Decoder) -> Texts:
    is_true = np.isin(raw[:, 0], list(_TRUE))
    is_known = is_true | np.isin(raw[:, 0], list(_FALSE))
    strange = ~is_known & ~np.isin(raw[:, 0], list(b"? \0"))
    decoder.problems["no_logical"] += int(strange.sum())
    values = pc.if_else(_mask(is_true), "true", "false")
    return _or_null(values, _mask(~is_known))


def _integer(raw: Bytes, _: Decoder) -> Texts:
    values: Texts = pc.cast(arrow_of(_view(raw, "<i4"), pa.int32()), pa.string())
    return values


def _turned_integers(raw: Bytes) -> Texts:
    """dBASE 7 turns the sign's bit, so that bytes sort as numbers do; all zero is blank."""
    bits = _view(raw, ">u4")
    numbers = (bits.astype(np.int64)) - (1 << 31)
    return _or_null(pc.cast(arrow_of(numbers, pa.int64()), pa.string()), _mask(bits == 0))


def _double(raw: Bytes, _: Decoder) -> Texts:
    values: Texts = pc.cast(arrow_of(_view(raw, "<f8"), pa.float64()), pa.string())
    return values


def _turned_double(raw: Bytes, _: Decoder) -> Texts:
    bits = _view(raw, ">u8").astype(np.uint64)
    sign = np.uint64(1 << 63)
    numbers = np.where(bits & sign, bits ^ sign, ~bits).view(np.float64)
    return _or_null(pc.cast(arrow_of(numbers, pa.float64()), pa.string()), _mask(bits == 0))


def _currency(raw: Bytes, _: Decoder) -> Texts:
    """Ten-thousandths, as a 64-bit integer."""
    low = _view(raw, "<i8").astype(np.int64)
    words = np.stack([low, low >> 63], axis=1)
    exact = pa.Array.from_buffers(pa.decimal128(19, 4), len(low), [None, _buffer(words)])
    values: Texts = pc.cast(exact, pa.string())
    return values


def _moment(raw: Bytes, decoder: Decoder) -> Texts:
    """A Julian day and milliseconds; blank, zero and what lies beyond our years is NULL."""
    parts = _view(raw, "<u4", 2)
    days, clock = parts[:, 0].astype(np.int64), parts[:, 1].astype(np.int64)
    is_blank = (raw == 0x20).all(axis=1) | ((days == 0) & (clock == 0))
    is_beyond = ((days < 1_721_426) | (days > _LAST_DAY) | (clock >= _DAY_MS)) & ~is_blank
    decoder.problems["no_moment"] += int(is_beyond.sum())
    moments = np.where(is_blank | is_beyond, 0, (days - _UNIX_DAY) * _DAY_MS + clock)
    iso = np.datetime_as_string(moments.astype("datetime64[ms]"), unit="ms")
    return _or_null(arrow_of(iso, pa.string()), _mask(is_blank | is_beyond))


def _view(raw: Bytes, kind: str, count: int = 1) -> Any:
    found = np.ascontiguousarray(raw).view(kind)
    return found[:, 0] if count == 1 else found


_READERS: Mapping[str, Callable[[Bytes, Decoder], Texts]] = {
    "C": _text,
    "V": _text,
    "N": _number,
    "F": _number,
    "D": _date,
    "L": _logical,
    "I": _integer,
    "B": _double,
    "O": _turned_double,
    "Y": _currency,
    "T": _moment,
    "@": _moment,
}
