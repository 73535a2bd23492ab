"""How an Access database begins: which engine wrote it, and how its pages are laid out (D29)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from enum import StrEnum

from kmflow_orchestration.errors import CorruptInput

_BEGIN = b"\x00\x01\x00\x00"
_JET, _ACE = b"Standard Jet DB\x00", b"Standard ACE DB\x00"
_VERSION_AT, _HIDDEN_AT, _CODE_PAGE_AT, _KEY_AT = 0x14, 0x18, 0x3C, 0x3E
# The part of the first page that every database hides behind the same key.
_HIDING_KEY = bytes((0xC7, 0xDA, 0x39, 0x6B))
_HIDDEN_BYTES = {True: 126, False: 128}
HEADER_BYTES = 0x98
# What the code pages of Windows are not called after their numbers.
_OTHER_CODE_PAGES = {0: "cp1252", 10000: "mac_roman"}


class Engine(StrEnum):
    """Who wrote a database; what is newer than those we know is laid out like ACE 16."""

    JET3 = "Jet 3"
    JET4 = "Jet 4"
    ACE12 = "ACE 12"
    ACE14 = "ACE 14"
    ACE15 = "ACE 15"
    ACE16 = "ACE 16"

    @property
    def suffix(self) -> str:
        """What files of it are called."""
        return ".mdb" if self in (Engine.JET3, Engine.JET4) else ".accdb"


_VERSIONS = tuple(Engine)


@dataclass(frozen=True, slots=True)
class FileHeader:
    """`key` is what the other pages are encoded with, 0 if they lie open; `code_page` is of texts
    from before they were Unicode.
    """

    engine: Engine
    key: int
    code_page: int = 0

    @property
    def is_old(self) -> bool:
        return self.engine is Engine.JET3

    @property
    def encoding(self) -> str:
        """Of texts of the older engine. Raises CorruptInput for one that nobody knows."""
        name = _OTHER_CODE_PAGES.get(self.code_page, f"cp{self.code_page}")
        try:
            return codecs.lookup(name).name
        except LookupError as error:
            raise CorruptInput(
                f"texts are of the code page {self.code_page}, which nobody knows"
            ) from error

    @property
    def page_bytes(self) -> int:
        return 2048 if self.is_old else 4096


def is_access(head: bytes) -> bool:
    """Whether a file's first bytes are those of an Access database."""
    return head.startswith((_BEGIN + _JET, _BEGIN + _ACE))


def read_header(head: bytes) -> FileHeader:
    """Raises CorruptInput for what is no Access database, or too short for one."""
    if not is_access(head) or len(head) < HEADER_BYTES:
        raise CorruptInput("the content is no Access database")
    version = head[_VERSION_AT]
    engine = _VERSIONS[min(version, len(_VERSIONS) - 1)]
    hidden = head[_HIDDEN_AT : _HIDDEN_AT + _HIDDEN_BYTES[engine is Engine.JET3]]
    shown = rc4(_HIDING_KEY, hidden)
    key, code_page = _KEY_AT - _HIDDEN_AT, _CODE_PAGE_AT - _HIDDEN_AT
    return FileHeader(
        engine,
        int.from_bytes(shown[key : key + 4], "little"),
        int.from_bytes(shown[code_page : code_page + 2], "little"),
    )


def rc4(key: bytes, content: bytes) -> bytes:
    """The cipher of 1997 that databases are encoded with; it keeps no secret and none is meant."""
    state = list(range(256))
    other = 0
    for at in range(256):
        other = (other + state[at] + key[at % len(key)]) & 0xFF
        state[at], state[other] = state[other], state[at]
    found = bytearray(content)
    first = other = 0
    for at, byte in enumerate(content):
        first = (first + 1) & 0xFF
        other = (other + state[first]) & 0xFF
        state[first], state[other] = state[other], state[first]
        found[at] = byte ^ state[(state[first] + state[other]) & 0xFF]
    return bytes(found)
