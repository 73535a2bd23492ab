"""Memo files of DBF tables (.dbt, .fpt): long texts and bytes that records point to."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from kmflow_orchestration.converters.dbase_header import MemoKind
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.record_cells import MAX_CELL_CHARACTERS
from kmflow_orchestration.errors import CorruptInput

SUFFIXES = (".dbt", ".fpt")
_BLOCK_BYTES = 512
_DBASE_4_MARK = b"\xff\xff\x08\x00"
_TEXT_END = b"\x1a"


def find_beside(path: Path, file_name: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of the same stem with one of these suffixes beside a table, whatever its case."""
    stems = {Path(file_name).stem.casefold(), path.stem.casefold()}
    found = (
        other
        for other in sorted(path.parent.iterdir())
        if other.suffix.lower() in suffixes and other.stem.casefold() in stems and other.is_file()
    )
    return next(found, None)


class MemoFile:
    """Reads one memo after the other; close it when done."""

    def __init__(self, stream: BinaryIO, kind: MemoKind) -> None:
        self._stream = stream
        self._kind = kind
        head = stream.read(_BLOCK_BYTES)
        sizes = {
            MemoKind.DBASE_3: _BLOCK_BYTES,
            MemoKind.DBASE_4: int.from_bytes(head[20:22], "little"),
            MemoKind.FOXPRO: int.from_bytes(head[6:8], "big"),
        }
        self._block_bytes = sizes[kind] or (1 if kind is MemoKind.FOXPRO else _BLOCK_BYTES)

    def read(self, block: int) -> bytes:
        """The memo that begins in a block.

        Raises:
            CorruptInput: it lies beyond the file's end, or is beyond the limits.
        """
        self._stream.seek(block * self._block_bytes)
        if self._kind is MemoKind.DBASE_3:
            return self._until_end(block)
        head = self._stream.read(8)
        if self._kind is MemoKind.FOXPRO:
            length = int.from_bytes(head[4:8], "big")
        elif head[:4] == _DBASE_4_MARK:
            length = int.from_bytes(head[4:8], "little") - 8
        else:
            self._stream.seek(block * self._block_bytes)
            return self._until_end(block)
        _check_size(length, block)
        content = self._stream.read(max(length, 0))
        if length < 0 or len(head) < 8 or len(content) < length:
            raise CorruptInput(f"memo {block} lies beyond the end of the memo file")
        return content

    def _until_end(self, block: int) -> bytes:
        content = b""
        while chunk := self._stream.read(_BLOCK_BYTES):
            before, end, _ = chunk.partition(_TEXT_END)
            content += before
            if end:
                return content
            _check_size(len(content), block)
        raise CorruptInput(f"memo {block} lies beyond the end of the memo file")


def _check_size(length: int, block: int) -> None:
    if length > MAX_CELL_CHARACTERS:
        raise CorruptInput(f"memo {block} has {length} bytes", reason=TOO_LARGE)
