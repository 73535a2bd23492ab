"""Pictures as one row of what they say of themselves; their pixels are no table (row D37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.memory_table import MemoryTable
from kmflow_orchestration.converters.pictures.facts import COLUMNS
from kmflow_orchestration.converters.pictures.places import leave_out_places
from kmflow_orchestration.converters.pictures.raster import read_raster
from kmflow_orchestration.converters.pictures.svg import read_svg
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.safe_xml import root_name
from kmflow_orchestration.errors import CorruptInput

PART = "images"
_HEAD = 64 << 10
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})


@dataclass(frozen=True, slots=True)
class PictureOptions(ReaderOptions):
    """`strip_gps`: nothing that tells where a picture was taken comes out."""

    strip_gps: bool = False


class PictureConverter(TableConverter):
    """Size, camera, time and place, captions, a hash for likeness; pixels only to see they are."""

    name: ClassVar[str] = "image"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        *("image/png", "image/jpeg", "image/gif", "image/tiff", "image/bmp", "image/webp"),
        *("image/heic", "image/heif", "image/svg+xml"),
    )
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp"),
        *(".heic", ".heif", ".svg"),
    )
    shares_tables: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("PIL", "pillow_heif", "lxml")
    # An SVG is XML, and more than that.
    priority: ClassVar[int] = 1
    reader_options: ClassVar[type[ReaderOptions]] = PictureOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By a signature, or by the first element of a drawing."""
        return 1.0 if kind_of(head) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[MemoryTable]:
        """One table, `images`, of one row; of a picture that breaks off what came before.

        Raises:
            CorruptInput: no header can be read, or it promises beyond measure
                (`too_large_inside`).
            ConfigurationError: an option that is unknown, or a value it cannot have.
        """
        given = PictureOptions.parse(options)
        with source.path.open("rb") as stream:
            kind = kind_of(stream.read(_HEAD))
        if not kind:
            raise CorruptInput("the content is no picture of a kind that is read")
        with refusals_of(f"{kind} picture"):
            if kind == "svg":
                facts = read_svg(source.path)
            else:
                facts = read_raster(source.path, kind, strip_gps=given.strip_gps)
        if given.strip_gps:
            leave_out_places(facts)
        origin = self.origin(source)
        told = {"strip_gps": "true"} if given.strip_gps else {}
        return (
            MemoryTable(PART, COLUMNS, [facts.row], origin, tuple(facts.warnings), read_as=told),
        )


def kind_of(head: bytes) -> str:
    """The kind of picture by a file's first bytes; '' for any other content."""
    if known := next((kind for mark, kind in _SIGNATURES if head.startswith(mark)), ""):
        return known
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return "heic"
    if head.startswith(b"BM") and head[6:10] == bytes(4) and not look_at(head).is_text:
        return "bmp"
    if b"svg" in head and look_at(head).is_text and root_name(head).rpartition("}")[2] == "svg":
        return "svg"
    return ""
