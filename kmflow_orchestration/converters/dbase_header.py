"""The header of a DBF file: dBASE III to 7, FoxBASE, FoxPro and Visual FoxPro."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kmflow_orchestration.errors import CorruptInput

NAME, VERSION = "dbase", "1"
HEADER_BYTES = 64 << 10
_VISUAL_FOXPRO = frozenset({0x30, 0x31, 0x32})
_DBASE_7 = frozenset({0x04, 0x8C})
_VERSIONS = (
    frozenset({0x03, 0x05, 0x07, 0x43, 0x63, 0x7B, 0x83, 0x87, 0x8B, 0x8E})
    | frozenset({0xB3, 0xCB, 0xE5, 0xEB, 0xF5, 0xFB})
    | _VISUAL_FOXPRO
    | _DBASE_7
)
_TYPES = frozenset("CVNFDLIBOT@YMGPWQ+0")
_FIELD_END = (0x0D, 0x00)
_SYSTEM, _NULLABLE, _BINARY = 0x01, 0x02, 0x04
_SIZES = {"D": 8, "L": 1, "I": 4, "O": 8, "T": 8, "@": 8, "Y": 8, "+": 4}


class MemoKind(StrEnum):
    """How the text of memo fields lies in its side file."""

    DBASE_3 = "dBASE III"
    DBASE_4 = "dBASE IV"
    FOXPRO = "FoxPro"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of each record, `offset` bytes after the record's beginning."""

    name: bytes
    type: str
    offset: int
    length: int
    flags: int

    @property
    def is_system(self) -> bool:
        return bool(self.flags & _SYSTEM) or self.type == "0"

    @property
    def is_nullable(self) -> bool:
        return bool(self.flags & _NULLABLE)

    @property
    def is_memo(self) -> bool:
        return self.type in "MGPW" or (self.type == "B" and self.length != 8)

    @property
    def is_binary(self) -> bool:
        """Whether its values are bytes and no text."""
        is_marked = bool(self.flags & _BINARY) and self.type in "MC"
        return is_marked or self.type in "GPWQ" or (self.type == "B" and self.is_memo)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its records. `language` is the byte that names its code page."""

    version: int
    record_count: int
    header_bytes: int
    record_bytes: int
    language: int
    fields: tuple[Field, ...]

    @property
    def is_dbase_7(self) -> bool:
        return self.version in _DBASE_7

    @property
    def memo_kind(self) -> MemoKind:
        if self.version in _VISUAL_FOXPRO or self.version in {0xF5, 0xFB}:
            return MemoKind.FOXPRO
        return MemoKind.DBASE_3 if self.version in {0x03, 0x83, 0x07} else MemoKind.DBASE_4


def is_dbase(head: bytes) -> bool:
    """Whether a file's first bytes are the header of a DBF file."""
    try:
        parse_header(head)
    except CorruptInput:
        return False
    return True


def parse_header(head: bytes) -> Header:
    """The header in a file's first HEADER_BYTES. Raises CorruptInput when it is none."""
    if len(head) < 33 or head[0] not in _VERSIONS:
        raise CorruptInput("the file does not begin as a dBASE or FoxPro table does")
    header_bytes, record_bytes = _number(head, 8, 2), _number(head, 10, 2)
    start, size = (68, 48) if head[0] in _DBASE_7 else (32, 32)
    if head[2] > 12 or head[3] > 31 or not start < header_bytes <= len(head):
        raise CorruptInput("the table's header is damaged or cut off")
    fields = _fields(head[:header_bytes], start, size)
    if not fields or 1 + sum(field.length for field in fields) != record_bytes:
        raise CorruptInput(
            f"the fields in the header do not make up records of {record_bytes} bytes"
        )
    return Header(head[0], _number(head, 4, 4), header_bytes, record_bytes, head[29], fields)


def _number(head: bytes, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "little")


def _fields(head: bytes, start: int, size: int) -> tuple[Field, ...]:
    fields: list[Field] = []
    offset, at = 1, start
    while at + size <= len(head) and head[at] not in _FIELD_END:
        field = _field(head[at : at + size], offset)
        if field.type not in _TYPES or not _fits(field):
            raise CorruptInput(f"field {len(fields) + 1} has no known type and size")
        fields.append(field)
        offset, at = offset + field.length, at + size
    if at >= len(head) or head[at] not in _FIELD_END:
        raise CorruptInput("the list of fields in the header has no end")
    return tuple(fields)


def _field(entry: bytes, offset: int) -> Field:
    if len(entry) == 48:
        name, kind, length, decimals, flags = entry[:32], entry[32], entry[33], entry[34], 0
    else:
        name, kind, length, decimals, flags = (
            *(entry[:11], entry[11], entry[16], entry[17], entry[18]),
        )
    # Clipper and FoxPro write the length of long texts into both bytes.
    length += decimals << 8 if chr(kind) == "C" else 0
    return Field(name.split(b"\0")[0].strip(), chr(kind), offset, length, flags)


def _fits(field: Field) -> bool:
    return field.length > 0 and _SIZES.get(field.type, field.length) == field.length
