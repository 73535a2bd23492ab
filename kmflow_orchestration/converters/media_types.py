"""The media type a file's bytes prove, whatever its name says (row B12)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from kmflow_orchestration.converters.content_look import HEAD_BYTES, look_at
from kmflow_orchestration.converters.dbase_header import is_dbase
from kmflow_orchestration.converters.statistics_signature import kind_of

OCTET_STREAM = "application/octet-stream"
PLAIN_TEXT = "text/plain"
ZIP = "application/zip"
OLE = "application/x-ole-storage"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ENCRYPTED = "application/encrypted"
DBF = "application/x-dbf"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.file"
ORC = "application/vnd.apache.orc"
AVRO = "application/avro"
SPSS = "application/x-spss-sav"
STATA = "application/x-stata-dta"
SAS = "application/x-sas-data"
SPSS_PORTABLE = "application/x-spss-por"
SAS_TRANSPORT = "application/x-sas-xport"
ACCESS = "application/x-msaccess"
GZIP = "application/gzip"
BZIP2 = "application/x-bzip2"
ZSTD = "application/zstd"
XZ = "application/x-xz"
TAR = "application/x-tar"
PACKED = frozenset({GZIP, BZIP2, ZSTD, XZ})
SEVEN_ZIP = "application/x-7z-compressed"

# Bytes of a file: how many, and from where.
ReadAt = Callable[[int, int], bytes]

# Of a zip's end only so much is read: the names of some ten thousand members.
_ZIP_TAIL = 1 << 20
_OLE_CHUNK = 1 << 20
# To parse more takes longer than to hash it; a larger file is JSON by its name.
_JSON_BYTES = 8 << 10
# Signatures of fewer than four bytes are met by chance.
_CONFIDENCE = 0.4

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1f\x8b\x08", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\xfd7zXZ\0", XZ),
    (b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (b"\x7fELF", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    # A Mach-O of several processors begins like a class file.
    (b"\xca\xfe\xba\xbe", "application/x-mach-binary"),
    (b"\x00asm", "application/wasm"),
    (b"\0\1\0\0Standard Jet DB\0", ACCESS),
    (b"\0\1\0\0Standard ACE DB\0", ACCESS),
    (b"ARROW1\0\0", ARROW),
    (b"Obj\x01", AVRO),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_STATISTICS = {
    "sav": SPSS,
    "dta": STATA,
    "sas7bdat": SAS,
    "por": SPSS_PORTABLE,
    "xpt": SAS_TRANSPORT,
}
_RIFF = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
# What an `ftyp` box may name besides films.
_BRANDS = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
}
_MEMBERS = (
    ("xl/workbook.xml", XLSX),
    ("xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    ("word/document.xml", DOCX),
    ("ppt/presentation.xml", PPTX),
    ("visio/document.xml", "application/vnd.ms-visio.drawing"),
    ("AndroidManifest.xml", "application/vnd.android.package-archive"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
)
_STREAMS = (
    ("EncryptedPackage", ENCRYPTED),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("VisioDocument", "application/vnd.visio"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_PROLOG = re.compile(r"\s*(?:<\?[^>]*>|<!--.*?-->|<![^>]*>|\]\s*>)", re.DOTALL)
_ROOT = re.compile(r"\s*<(?:[\w.-]+:)?([\w.-]+)[\s/>]")
# An XML file's first element comes early; what stands before it may be written to hold us up.
_PROLOG_CHARACTERS = 4096


def media_type_of_content(head: bytes, size_bytes: int, read_at: ReadAt) -> str:
    """Media type by content alone.

    A container is told by what lies in it; text is `text/plain` unless it says what it is, and
    what nobody knows is `application/octet-stream`. `head` are the first bytes, `read_at` gives
    others, and is asked for containers only.
    """
    head = head[:HEAD_BYTES]
    if head.startswith(b"PK\x03\x04"):
        return _zip_type(head, size_bytes, read_at)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_type(size_bytes, read_at)
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    known = next((found for mark, found in _SIGNATURES if head.startswith(mark)), "")
    return known or _by_structure(head) or _text_type(head, size_bytes) or _by_library(head)


def _by_structure(head: bytes) -> str:
    """Formats whose first bytes alone are too few to tell them."""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if kind := _STATISTICS.get(kind_of(head), ""):
        return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if kind := _bundle(head):
        return kind
    if head.startswith(b"MZ"):
        return _portable_executable(head)
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp" if int.from_bytes(head[14:18], "little") in _BMP_HEADERS else ""
    if is_mpeg_audio(head):
        return "audio/mpeg"
    if head.startswith(b"ORC") and not look_at(head).is_text:
        return ORC
    return DBF if is_dbase(head) else ""


def _bundle(head: bytes) -> str:
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return BZIP2
    return TAR if head[257:262] == b"ustar" else ""


def _portable_executable(head: bytes) -> str:
    at = int.from_bytes(head[0x3C:0x40], "little")
    if head[at : at + 4] == b"PE\0\0":
        return "application/vnd.microsoft.portable-executable"
    return "" if look_at(head).is_text else "application/x-dosexec"


def is_mpeg_audio(head: bytes) -> bool:
    """An ID3 tag, or a first frame of a known version, layer, bit rate and sample rate."""
    if len(head) < 4:
        return False
    if head.startswith(b"ID3"):
        return head[3] in (2, 3, 4)
    return (
        head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x18 != 0x08
        and head[1] & 0x06 in (0x02, 0x04)
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )


def _zip_type(head: bytes, size_bytes: int, read_at: ReadAt) -> str:
    if head[30:38] == b"mimetype" and (said := _first_member(head)):
        return said
    length = min(size_bytes, _ZIP_TAIL)
    names = set(_member_names(read_at(length, size_bytes - length)))
    return next((found for member, found in _MEMBERS if member in names), ZIP)


def _first_member(head: bytes) -> str:
    """What a file of the OpenDocument kind says it is: plain text at its very beginning."""
    start = 38 + int.from_bytes(head[28:30], "little")
    said = head[start : start + int.from_bytes(head[18:22], "little")]
    # A name of our own making must not come out of a file.
    return said.decode("ascii") if re.fullmatch(rb"application/[a-z0-9.+-]{1,80}", said) else ""


def _member_names(tail: bytes) -> Iterator[str]:
    """Names in a zip's central directory, as far as it lies in these last bytes of the file."""
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        return
    at = end - int.from_bytes(tail[end + 12 : end + 16], "little")
    if at < 0 or tail[at : at + 4] != b"PK\x01\x02":
        at = tail.find(b"PK\x01\x02")
    while 0 <= at < end and tail[at : at + 4] == b"PK\x01\x02":
        name, extra, comment = (
            int.from_bytes(tail[at + offset : at + offset + 2], "little") for offset in (28, 30, 32)
        )
        yield tail[at + 46 : at + 46 + name].decode("utf-8", "replace")
        at += 46 + name + extra + comment


def _ole_type(size_bytes: int, read_at: ReadAt) -> str:
    """By the streams' entries in the container's directory, wherever that lies."""
    found: set[str] = set()
    wanted = {_directory_entry(name): kind for name, kind in _STREAMS}
    overlap = max(map(len, wanted))
    for start in range(0, size_bytes, _OLE_CHUNK):
        chunk = read_at(_OLE_CHUNK + overlap, start)
        found |= {kind for entry, kind in wanted.items() if entry in chunk}
    return next((kind for _, kind in _STREAMS if kind in found), OLE)


def _directory_entry(name: str) -> bytes:
    encoded = name.encode("utf-16-le")
    return encoded.ljust(64, b"\0") + (len(encoded) + 2).to_bytes(2, "little") + b"\x02"


def _text_type(head: bytes, size_bytes: int) -> str:
    look = look_at(head)
    if look.announced == "parquet":
        return PARQUET
    if not look.is_text:
        return ""
    if look.announced == "rtf":
        return "application/rtf"
    if look.announced == "html":
        return "text/html"
    text = _decoded(head[: 2 * _PROLOG_CHARACTERS]).lstrip("\ufeff")
    if text.startswith("#!") and text[2:].lstrip(" ").startswith("/"):
        return "text/x-script"
    begin = text.lstrip()[:1]
    if begin == "<":
        return _markup_type(text[:_PROLOG_CHARACTERS])
    if begin in ("{", "[") and size_bytes <= _JSON_BYTES and _is_json(head):
        return "application/json"
    return PLAIN_TEXT


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if is_utf16 else "utf-8", "replace")


def _markup_type(text: str) -> str:
    is_xml, at = text.lstrip().startswith("<?xml"), 0
    while before := _PROLOG.match(text, at):
        at = before.end()
    root = _ROOT.match(text, at)
    name = root[1].lower() if root else ""
    named = {"svg": "image/svg+xml", "html": "text/html"}.get(name, "")
    return named or ("application/xml" if is_xml else PLAIN_TEXT)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(_decoded(content).lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return True


def _by_library(head: bytes) -> str:
    import puremagic

    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return OCTET_STREAM
    sure = (match.mime_type for match in found if match.confidence >= _CONFIDENCE)
    return next((kind for kind in sure if kind), OCTET_STREAM)
