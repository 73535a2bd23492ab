"""Archives of every kind, written into memory."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

CSV = b"id,amount\n1,2.50\n2,3\n"
Files = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


def pairs(files: Files) -> list[tuple[str, bytes]]:
    return list(files.items() if isinstance(files, Mapping) else files)


def zipped(files: Files) -> bytes:
    """A ZIP; two files may have one name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in pairs(files):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return buffer.getvalue()


def tarred(files: Files, mode: str = "", links: Mapping[str, str] | None = None) -> bytes:
    """A TAR, compressed by `mode` (gz, bz2, xz)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as target:  # type: ignore[call-overload]
        for name, content in pairs(files):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
        for name, leads_to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, leads_to
            target.addfile(info)
    return buffer.getvalue()


def seven_zipped(files: Files, password: str = "", *, is_header_locked: bool = False) -> bytes:
    """A 7z, all its files in one stream; with a password it is encrypted."""
    import py7zr

    buffer = io.BytesIO()
    with py7zr.SevenZipFile(
        buffer, "w", password=password or None, header_encryption=is_header_locked
    ) as target:
        for name, content in pairs(files):
            target.writestr(content, name)
    return buffer.getvalue()


def with_link(name: str, leads_to: str, files: Files) -> bytes:
    """A ZIP in which one file is a symbolic link, as Info-ZIP writes it."""
    buffer = io.BytesIO(zipped(files))
    with zipfile.ZipFile(buffer, "a") as target:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        target.writestr(info, leads_to)
    return buffer.getvalue()


def behind_a_password(content: bytes, name: str) -> bytes:
    """The ZIP with one file marked as encrypted, in both places that say so."""
    found = bytearray(content)
    wanted = name.encode()
    for mark, flags, length, start in ((b"PK\x03\x04", 6, 26, 30), (b"PK\x01\x02", 8, 28, 46)):
        at = found.find(mark)
        while at >= 0:
            (size,) = struct.unpack_from("<H", found, at + length)
            if found[at + start : at + start + size] == wanted:
                found[at + flags] |= 1
            at = found.find(mark, at + 4)
    return bytes(found)


def damaged(content: bytes, name: str, stored: bytes) -> bytes:
    """The archive with some bytes of one file's content changed; it must lie uncompressed."""
    at = content.index(stored, content.index(name.encode()))
    return content[:at] + bytes(byte ^ 0xFF for byte in stored) + content[at + len(stored) :]


def stored(files: Files) -> bytes:
    """A ZIP whose files lie uncompressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, content in pairs(files):
            target.writestr(name, content)
    return buffer.getvalue()
