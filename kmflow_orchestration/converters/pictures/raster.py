"""Pictures of pixels: what their header and tags say, and whether their pixels are all there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.pictures.captions import (
    read_iptc,
    read_text_chunks,
    read_xmp,
)
from kmflow_orchestration.converters.pictures.endings import ends_early
from kmflow_orchestration.converters.pictures.exif import read_exif
from kmflow_orchestration.converters.pictures.facts import (
    PictureFacts,
    as_number,
    as_object,
    as_text,
)
from kmflow_orchestration.converters.pictures.inflation import check_canvas, check_chunks
from kmflow_orchestration.errors import CorruptInput

MAX_PIXELS = 200_000_000
# All pixels of a larger one would take a quarter of a gigabyte, for a hash of eight bytes.
_HASHED_PIXELS = 64_000_000
# A picture over the limit that unpacks to so many times its size was made to fill a memory.
_MAX_RATIO = 100
_MAX_PAGES = 1000
_X_RESOLUTION = 282
_HASH_WIDTH, _HASH_HEIGHT = 9, 8
# What Pillow raises over damaged pixels and tags.
_DAMAGE = (OSError, ValueError, TypeError, SyntaxError, KeyError, IndexError, ArithmeticError)


def read_raster(path: Path, kind: str, *, strip_gps: bool) -> PictureFacts:
    """Raises CorruptInput: no header can be read, or it promises more than is taken."""
    if kind == "png":
        check_chunks(path)
    facts = PictureFacts(kind)
    with path.open("rb") as stream, _noting_warnings(facts):
        if kind == "webp":
            check_canvas(stream.read(32), MAX_PIXELS)
            stream.seek(0)
        with _openers()[kind](stream) as picture:
            _read(picture, path, facts, strip_gps=strip_gps)
    return facts


def _read(picture: Any, path: Path, facts: PictureFacts, *, strip_gps: bool) -> None:
    """Pixels before tags: what stands behind the pixels of a PNG is known after them."""
    facts.width, facts.height = (str(side) for side in picture.size)
    facts.mode = str(picture.mode)
    _check_size(picture, path)
    _read_frames(picture, facts, path.stat().st_size)
    if why := ends_early(path, facts.format):
        facts.broke_off(why)
    _read_pixels(picture, facts)
    _read_tags(picture, facts, strip_gps=strip_gps)


@contextmanager
def _noting_warnings(facts: PictureFacts) -> Iterator[None]:
    """What the library only warns about is told with the picture."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    texts = dict.fromkeys(str(one.message).partition("\n")[0][:200] for one in heard)
    facts.warnings += [ConversionWarning("picture_oddity", text) for text in texts]


def _openers() -> dict[str, Callable[[Any], Any]]:
    """By kind: never what else a library would try on bytes that it does not know."""
    from PIL import (
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "png": PngImagePlugin.PngImageFile,
        "jpeg": JpegImagePlugin.JpegImageFile,
        "gif": GifImagePlugin.GifImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
        "heic": _open_heif,
    }


def _open_heif(stream: Any) -> Any:
    from pillow_heif.as_plugin import HeifImageFile

    return HeifImageFile(stream)


def _check_size(picture: Any, path: Path) -> None:
    width, height = picture.size
    pixels = width * height
    if pixels > MAX_PIXELS and pixels * len(picture.getbands()) > _MAX_RATIO * path.stat().st_size:
        text = f"{width} x {height} pixels out of {path.stat().st_size} bytes: refused"
        raise CorruptInput(text, reason=TOO_LARGE)


def _says_resolution(picture: Any) -> bool:
    """Where a file says none, the library makes one up."""
    if picture.format == "JPEG":
        return picture.info.get("jfif_unit") in (1, 2) or _X_RESOLUTION in picture.getexif()
    return _X_RESOLUTION in getattr(picture, "tag_v2", {_X_RESOLUTION})


def _read_tags(picture: Any, facts: PictureFacts, *, strip_gps: bool) -> None:
    """Each source of tags by itself: a damaged one leaves the others."""
    from PIL import Image

    info = picture.info
    dpi = info.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2 and _says_resolution(picture):
        facts.dpi_x, facts.dpi_y = (as_number(round(float(side), 3)) for side in dpi)

    def iptc() -> None:
        from PIL import IptcImagePlugin

        read_iptc(IptcImagePlugin.getiptcinfo(picture), facts)

    readers: dict[str, Callable[[], None]] = {
        "XMP": lambda: read_xmp(info.get("xmp") or info.get("XML:com.adobe.xmp"), facts),
        "IPTC": iptc,
        "text chunks": lambda: read_text_chunks(_texts(picture), facts),
        # A PNG's own way decodes all pixels first.
        "EXIF": lambda: read_exif(Image.Image.getexif(picture), facts, strip_gps=strip_gps),
    }
    for name, read in readers.items():
        try:
            read()
        except _DAMAGE as error:
            text = f"the {name} of the picture is damaged: {type(error).__name__}: {error}"
            facts.warnings.append(ConversionWarning("tags_damaged", text[:300]))
    if comment := info.get("comment"):
        facts.set_once(comment=as_text(comment))
    facts.details = as_object(
        {
            name: info[name]
            for name in ("compression", "progressive", "loop", "duration", "bit_depth")
            if name in info
        }
    )


def _texts(picture: Any) -> Mapping[str, Any]:
    """Text chunks as far as they were read; asking a PNG for them decodes all pixels."""
    chunks = getattr(picture, "png", None)
    if chunks is not None:
        return dict(chunks.im_text)
    return dict(getattr(picture, "text", None) or {})


def _read_frames(picture: Any, facts: PictureFacts, size: int) -> None:
    try:
        frames = int(getattr(picture, "n_frames", 1))
        facts.frames = str(frames)
        if facts.format == "tiff" and not _pages_are_there(picture, min(frames, _MAX_PAGES), size):
            facts.broke_off("some of its pages lie behind the end of the file")
        picture.seek(0)
    except (*_DAMAGE, EOFError) as error:
        facts.broke_off(f"its frames: {error}")


def _pages_are_there(picture: Any, pages: int, size: int) -> bool:
    """Whether the strips or tiles of each page end within the file; no pixel is decoded."""
    for page in range(pages):
        picture.seek(page)
        tags = picture.tag_v2
        for offsets, lengths in ((273, 279), (324, 325)):
            pairs = zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False)
            if any(start + length > size for start, length in pairs):
                return False
    return True


def _read_pixels(picture: Any, facts: PictureFacts) -> None:
    """Decode the first frame, as far as it may be, to see whether it is whole."""
    if int(facts.width) * int(facts.height) > MAX_PIXELS:
        text = f"more than {MAX_PIXELS // 1_000_000} million pixels: they were not looked at"
        facts.warnings.append(ConversionWarning("pixels_not_read", text))
        return
    # A JPEG is decoded at an eighth of its size: all of it is read, and little is kept.
    if facts.format == "jpeg":
        picture.draft("L", (_HASH_WIDTH * 8, _HASH_HEIGHT * 8))
    width, height = picture.size
    if width * height > _HASHED_PIXELS:
        return
    try:
        picture.load()
        facts.perceptual_hash = _difference_hash(picture)
    except (*_DAMAGE, EOFError) as error:
        facts.broke_off(f"{type(error).__name__}: {error}")


def _difference_hash(picture: Any) -> str:
    """64 bits: is each of 8 x 8 places brighter than the one to its right? Alike, if few differ."""
    from PIL import Image

    flat = picture
    if picture.mode in ("P", "PA"):
        flat = picture.convert("RGBA")
    if flat.mode.startswith(("I", "F")):
        # Deeper than eight bits: the brightest becomes white, whatever it is.
        flat = flat.convert("F")
        most = flat.getextrema()[1]
        flat = flat.point(lambda value: value * (255.0 / most if most > 0 else 0.0) + 0.0)
    small = flat.convert("L").resize((_HASH_WIDTH, _HASH_HEIGHT), Image.Resampling.BOX)
    pixels = list(small.tobytes())
    bits = 0
    for at in range(_HASH_HEIGHT * _HASH_WIDTH):
        if (at + 1) % _HASH_WIDTH:
            bits = bits << 1 | (pixels[at] > pixels[at + 1])
    # Digits alone would be a number.
    return f"dhash:{bits:016x}"
