"""Bytes of a column as values, and the type that a column's form says it has (D29)."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.access_databases.definition import AccessColumn, Form
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DOUBLE,
    STRING,
    TIMESTAMP_NTZ,
    ColumnType,
    number,
)
from kmflow_orchestration.errors import CorruptInput

_WRAPPING_BYTES, _WRAPPED_LENGTH_AT = 20, 16
_COMPRESSED = b"\xff\xfe"
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 (Access knows of no zones)
_FIRST_DAY = datetime(1, 1, 1)  # noqa: DTZ001
_DAY_MS = 86_400_000
_EXTENDED = re.compile(rb"([0-9]{19}):([0-9]{12})([0-9]{7}):7\0")
_MOMENTS = pa.timestamp("us")
# Digits of the numbers of each form; a currency has four more behind the point.
_DIGITS = {Form.BYTE: 3, Form.INTEGER: 5, Form.LONG: 10, Form.COMPLEX: 10, Form.BIGINT: 19}
_CURRENCY_DIGITS, _CURRENCY_SCALE = 15, 4
_LONG_FORMS = frozenset({Form.MEMO, Form.OLE})

Read = Callable[[bytes], Any]


def type_of(column: AccessColumn) -> ColumnType:
    """What the schema says, whatever its values need."""
    form = column.form
    if form in _DIGITS:
        return number(_DIGITS[form], beyond_long=False)
    if form is Form.CURRENCY:
        return number(_CURRENCY_DIGITS, _CURRENCY_SCALE)
    if form is Form.NUMERIC and not column.is_calculated:
        return number(max(column.precision - column.scale, 1), column.scale)
    return _TYPES.get(form, STRING)


_TYPES: Mapping[Form, ColumnType] = {
    Form.BOOLEAN: BOOLEAN,
    Form.SINGLE: DOUBLE,
    Form.DOUBLE: DOUBLE,
    Form.MOMENT: TIMESTAMP_NTZ,
    Form.MOMENT_EXTENDED: TIMESTAMP_NTZ,
}


def arrow_type_of(column: AccessColumn) -> pa.DataType:
    """What `reader_of` gives, before it is brought into the wanted type."""
    found = type_of(column)
    if column.form is Form.MOMENT_EXTENDED:
        return pa.string()
    return _MOMENTS if found == TIMESTAMP_NTZ else found.arrow


def reader_of(column: AccessColumn, pages: Pages) -> Read:
    """What turns the bytes of one cell into its value. Raises CorruptInput on bytes that are none.

    Bytes that are no text are Base64, as in other formats: the lattice has no binary type.
    """
    if column.is_calculated:
        return _calculated(column, pages)
    if column.form in _LONG_FORMS:
        read = _form_reader(column, pages)
        return lambda cell: read(pages.long_value(cell))
    return _form_reader(column, pages)


def _form_reader(column: AccessColumn, pages: Pages) -> Read:
    if column.form is Form.NUMERIC:
        scale = column.scale
        return lambda cell: _numeric(cell, scale)
    if column.form in (Form.TEXT, Form.MEMO):
        encoding = pages.encoding
        return (lambda cell: cell.decode(encoding, "backslashreplace")) if encoding else _text
    return _READERS[column.form]


def _calculated(column: AccessColumn, pages: Pages) -> Read:
    """The engine keeps what it calculated in a wrapping of its own."""
    inner = _calculated_numeric if column.form is Form.NUMERIC else _form_reader(column, pages)
    is_long = column.form in _LONG_FORMS

    def read(cell: bytes) -> Any:
        wrapped = pages.long_value(cell) if is_long else cell
        if len(wrapped) < _WRAPPING_BYTES:
            raise CorruptInput(f"a calculated value of {column.name} is too short")
        length = int.from_bytes(wrapped[_WRAPPED_LENGTH_AT:_WRAPPING_BYTES], "little")
        value = wrapped[_WRAPPING_BYTES : _WRAPPING_BYTES + length]
        if len(value) < length:
            raise CorruptInput(f"a calculated value of {column.name} breaks off")
        return inner(value)

    return read


def _unpacked(form: str) -> Read:
    layout = struct.Struct(form)

    def read(cell: bytes) -> Any:
        try:
            return layout.unpack(cell)[0]
        except struct.error as error:
            raise CorruptInput(f"{len(cell)} bytes are no value of {layout.size}") from error

    return read


_long, _double = _unpacked("<q"), _unpacked("<d")


def _decimal(whole: int, scale: int) -> Decimal:
    # Arithmetic of decimals would round to their context.
    return Decimal(f"{whole}E-{scale}")


def _currency(cell: bytes) -> Decimal:
    return _decimal(_long(cell), _CURRENCY_SCALE)


def _moment(cell: bytes) -> datetime:
    """Days since the last one but one of 1899; before it the part of a day still counts forward.

    To the millisecond: the double behind it is not surer of it.
    """
    days = _double(cell)
    try:
        whole = int(days)
        part = round(abs(days - whole) * _DAY_MS)
        return _EPOCH + timedelta(days=whole, milliseconds=part)
    except (ValueError, OverflowError) as error:
        raise CorruptInput(f"{days} is no date that can be") from error


def _extended_moment(cell: bytes) -> str:
    """Digits: days since the first one of year 1, seconds, and steps of 100 nanoseconds.

    As text, since those may be finer than any type; of no more digits than it needs.
    """
    told = _EXTENDED.fullmatch(cell)
    if told is None:
        raise CorruptInput(f"{len(cell)} bytes are no extended date and time")
    days, seconds, steps = map(int, told.groups())
    try:
        moment = _FIRST_DAY + timedelta(days=days, seconds=seconds, microseconds=steps // 10)
    except OverflowError as error:
        raise CorruptInput(f"day {days} of an extended date and time cannot be") from error
    if not steps % 10:
        return moment.isoformat()
    return f"{moment.isoformat(timespec='microseconds')}{steps % 10}"


def _numeric(cell: bytes, scale: int) -> Decimal:
    """A sign, and four numbers of four bytes, the highest first."""
    if len(cell) != 17:
        raise CorruptInput(f"{len(cell)} bytes are no decimal number")
    whole = 0
    for part in struct.unpack("<4I", cell[1:]):
        whole = whole << 32 | part
    return _decimal(-whole if cell[0] else whole, scale)


def _calculated_numeric(cell: bytes) -> str:
    """Of any scale, so that no decimal type fits all: its digits, as text."""
    if len(cell) < 4:
        raise CorruptInput(f"{len(cell)} bytes are no decimal number")
    length, scale, is_negative = struct.unpack_from("<HBB", cell)
    digits = cell[4 : 4 + (min(length - 2, 16) if length > 2 else len(cell) - 4) // 4 * 4]
    whole = int.from_bytes(digits[: len(digits) % 8], "little")
    for at in range(len(digits) % 8, len(digits), 8):
        whole = whole << 64 | int.from_bytes(digits[at : at + 8], "little")
    return f"{_decimal(-whole if is_negative else whole, scale):f}"


def _text(cell: bytes) -> str:
    """Half of a pair stands as its escape, as bytes that are no text do elsewhere."""
    if not cell.startswith(_COMPRESSED):
        return cell.decode("utf-16-le", "backslashreplace")
    if 0 not in cell:
        return cell[2:].decode("latin-1")
    return "".join(_stretches(cell))


def _stretches(cell: bytes) -> Iterator[str]:
    """Some of one byte a character, some of two, in turns and with a zero between them."""
    at, is_short = len(_COMPRESSED), True
    while at < len(cell):
        if is_short:
            end = cell.find(b"\0", at)
            end = len(cell) if end < 0 else end
            yield cell[at:end].decode("latin-1")
        else:
            end = at
            while end < len(cell) and cell[end]:
                end += 2
            yield cell[at:end].decode("utf-16-le", "backslashreplace")
        at, is_short = end + 1, not is_short


def _guid(cell: bytes) -> str:
    """As Access shows it."""
    if len(cell) != 16:
        raise CorruptInput(f"{len(cell)} bytes are no GUID")
    first, second, third = struct.unpack_from("<IHH", cell)
    rest = cell[8:].hex().upper()
    return f"{{{first:08X}-{second:04X}-{third:04X}-{rest[:4]}-{rest[4:]}}}"


def _bytes(cell: bytes) -> str:
    return base64.b64encode(cell).decode("ascii")


_READERS: Mapping[Form, Read] = {
    Form.BOOLEAN: any,
    Form.BYTE: _unpacked("<B"),
    Form.INTEGER: _unpacked("<h"),
    Form.LONG: _unpacked("<i"),
    Form.COMPLEX: _unpacked("<i"),
    Form.BIGINT: _long,
    Form.CURRENCY: _currency,
    Form.SINGLE: _unpacked("<f"),
    Form.DOUBLE: _double,
    Form.MOMENT: _moment,
    Form.MOMENT_EXTENDED: _extended_moment,
    Form.BINARY: _bytes,
    Form.OLE: _bytes,
    Form.GUID: _guid,
}
