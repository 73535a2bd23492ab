"""Which of our converters a file's first bytes may concern, told before any of them is imported.

Nothing here decides: where one of these says no, the converter itself would say 0 of content, and
where it says yes, the converter is asked.
"""

from __future__ import annotations

import codecs
import re
from functools import cached_property

from kmflow_orchestration.converters.content_look import (
    Container,
    ContentLook,
    container_of,
    look_at,
)
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.packed_source import inner_source, is_packed

_WORKBOOKS = (Container.XLSX, Container.XLSB, Container.XLS, Container.ODS)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II", b"MM", b"RIFF", b"BM")
_RECORDINGS = (b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3", b"ID3", b"RIFF", b"RF64")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")
_STATISTICS = (b"$FL", b"HEADER RECORD", b"<stata_dta>", bytes(12))
_TRAVELLED = (b"message-id", b"received", b"mime-version", b"return-path")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Other encodings of XML may write a name in other bytes than ASCII does.
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)""")
_LIKE_ASCII = re.compile(rb"utf-?8|(us-)?ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
_OCTAL = b"01234567+-_oO" + bytes(range(9, 14)) + bytes(range(28, 33))


class FirstLook:
    """A file's name and first bytes, each question about them asked of the file once."""

    def __init__(self, source: Source, head: bytes) -> None:
        self._source, self._head = source, head

    @cached_property
    def suffixes(self) -> frozenset[str]:
        """All that its name promises, also of what is packed in it."""
        inner = inner_source(self._source)
        return frozenset({self._source.suffix, self._source.double_suffix, inner.suffix})

    def is_access(self) -> bool:
        return self._head.startswith(b"\0\1\0\0Standard ")

    def is_arrow(self) -> bool:
        return self._head.startswith((b"PAR1", b"PARE", b"ARROW1", b"FEA1", b"ORC"))

    def is_avro(self) -> bool:
        return self._head.startswith(b"Obj\1")

    def is_dbase(self) -> bool:
        """By the month and the day of its last change."""
        return len(self._head) > 32 and self._head[2] <= 12 and self._head[3] <= 31

    def is_lines(self) -> bool:
        return self._is_packed or (self._look.is_text and not self._look.announced)

    def is_json(self) -> bool:
        return self._is_packed or (self._look.is_text and self._first in ("{", "["))

    def is_xml(self) -> bool:
        return self._is_packed or self._first == "<"

    def is_workbook(self) -> bool:
        return self._container in _WORKBOOKS

    def is_statistics(self) -> bool:
        head = self._head
        is_old_stata = len(head) > 3 and head[1] in (1, 2) and head[2:4] == b"\1\0"
        return head.startswith(_STATISTICS) or b"SPSSPORT" in head[:600] or is_old_stata

    def is_never(self) -> bool:
        """Of what its name alone speaks for."""
        return False

    def is_process_model(self) -> bool:
        is_model = self._may_name(b"definitions", b"mxfile", b"mxGraphModel")
        return is_model or self._container is Container.VSDX

    def is_word(self) -> bool:
        return self._container is Container.DOCX

    def is_slides(self) -> bool:
        return self._container is Container.PPTX

    def is_open_document(self) -> bool:
        return self._container is Container.ODT

    def is_pdf(self) -> bool:
        return b"%PDF-" in self._head[:1024]

    def is_html(self) -> bool:
        return self._look.announced == "html" or self._may_name(b"html")

    def is_rtf(self) -> bool:
        return self._look.announced == "rtf"

    def is_mail(self) -> bool:
        if self._look.is_container:
            return self._container is Container.MSG
        lowered = self._head.lower()
        return any(word in lowered for word in _TRAVELLED)

    def is_picture(self) -> bool:
        is_marked = self._head.startswith(_PICTURES) or self._head[4:8] == b"ftyp"
        return is_marked or self._may_name(b"svg")

    def is_recording(self) -> bool:
        head = self._head
        is_frame = len(head) > 3 and head[0] == 0xFF and head[1] >= 0xE0
        return head.startswith(_RECORDINGS) or head[4:8] in _BOXES or is_frame

    def is_archive(self) -> bool:
        if self._head.startswith((b"PK\3\4", b"PK\5\6")):
            return self._container in (Container.ZIP, Container.NONE)
        return self._is_packed or self._head.startswith(b"7z") or self._has_checksum

    @cached_property
    def _look(self) -> ContentLook:
        return look_at(self._head)

    @cached_property
    def _is_packed(self) -> bool:
        return is_packed(self._head)

    @cached_property
    def _container(self) -> Container:
        return container_of(self._source.path, self._head)

    @cached_property
    def _first(self) -> str:
        """The first character of a text."""
        encoding = "utf-16" if self._head.startswith(_UTF16) else "utf-8-sig"
        return self._head.decode(encoding, "replace").lstrip()[:1]

    @property
    def _has_checksum(self) -> bool:
        """Whether a number stands where that of an archive's first header would."""
        number = self._head[148:156].partition(b"\0")[0]
        is_binary = number[:1] in (b"\x80", b"\xff")
        return len(self._head) >= 512 and (is_binary or not number.translate(None, _OCTAL))

    def _may_name(self, *names: bytes) -> bool:
        """Whether a first element may have one of these names."""
        head = self._head
        if not self._look.is_text or b"<" not in head[:1024]:
            return False
        said = _ENCODING.search(head[:1024])
        is_other = said is not None and not _LIKE_ASCII.fullmatch(said[1].strip())
        is_other |= head.startswith((*_UTF16, b"\x4c\x6f\xa7\x94"))
        return is_other or any(name in head for name in names)
