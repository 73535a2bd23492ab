from __future__ import annotations

import io
import json
import re
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pillow_heif
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.memory_table import MemoryTable
from kmflow_orchestration.converters.pictures.converter import PictureConverter, kind_of
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
 <rdf:Description><dc:title><rdf:Alt><rdf:li>Vault</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>keys</rdf:li><rdf:li>doors</rdf:li></rdf:Bag></dc:subject>
 <dc:creator><rdf:Seq><rdf:li>Ana</rdf:li></rdf:Seq></dc:creator></rdf:Description>
 </rdf:RDF></x:xmpmeta>"""


def drawn(width: int = 64, height: int = 48) -> Image.Image:
    """A slope of grey from left to right, with a bright spot."""
    picture = Image.linear_gradient("L").rotate(90).resize((width, height)).convert("RGB")
    picture.paste((255, 255, 255), (4, 4, 12, 12))
    return picture


def saved(kind: str, picture: Image.Image | None = None, **how: Any) -> bytes:
    buffer = io.BytesIO()
    (picture or drawn()).save(buffer, format=kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("TIFF", "a.tiff")])
def test_a_resolution_that_nobody_wrote_is_none(source: Any, kind: str, name: str) -> None:
    how = {"exif": exif()} if kind == "JPEG" else {}

    row = facts(source(saved(kind, **how), name))

    assert (row["dpi_x"], row["dpi_y"]) == (None, None)


def heif() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(drawn()).save(buffer, format="HEIF")
    return buffer.getvalue()


def exif() -> Image.Exif:
    found = Image.Exif()
    found[0x010F], found[0x0110] = "Kamera", "K-1"
    found[0x0112] = 6
    found[0x0132] = "2020:01:01 00:00:00"
    camera = found.get_ifd(0x8769)
    camera[0x9003], camera[0x9011], camera[0xA434] = "2026:11:20 12:30:00", "+02:00", "35 mm"
    places = found.get_ifd(0x8825)
    places[1], places[2] = "S", (33.0, 51.0, 31.0)
    places[3], places[4] = "E", (151.0, 12.0, 36.0)
    places[5], places[6] = b"\1", 12.5
    return found


def opened(source: Source, **options: Any) -> MemoryTable:
    (table,) = PictureConverter().open_tables(source, options)
    return table


def facts(source: Source, **options: Any) -> dict[str, Any]:
    (row,) = all_values(opened(source, **options))
    return row


SIZED: dict[str, tuple[Callable[[], bytes], str]] = {
    "png": (lambda: saved("PNG"), "RGB"),
    "jpeg": (lambda: saved("JPEG"), "RGB"),
    "gif": (lambda: saved("GIF"), "P"),
    "tiff": (lambda: saved("TIFF"), "RGB"),
    "bmp": (lambda: saved("BMP"), "RGB"),
    "webp": (lambda: saved("WEBP"), "RGB"),
    "heic": (heif, "RGB"),
}


@pytest.mark.parametrize("kind", SIZED)
def test_each_kind_tells_its_size_and_is_whole(source: Writes, kind: str) -> None:
    write, mode = SIZED[kind]
    table = opened(source(write(), f"a.{kind}"))

    (row,) = all_values(table)
    assert (table.part, table.receipt.rows_written, table.warnings) == ("images", 1, ())
    told = (row["format"], row["width"], row["height"], row["mode"], row["frames"])
    assert told == (kind, 64, 48, mode, 1)
    assert row["truncated"] is False


def test_pictures_that_look_alike_have_hashes_that_differ_little(source: Writes) -> None:
    def bits(content: bytes) -> int:
        return int(facts(source(content, "a"))["perceptual_hash"].removeprefix("dhash:"), 16)

    drawing, smaller = bits(saved("PNG")), bits(saved("JPEG", drawn().resize((32, 24)), quality=60))
    other = bits(saved("PNG", Image.radial_gradient("L").resize((64, 48))))
    assert (drawing ^ smaller).bit_count() <= 6
    assert (drawing ^ other).bit_count() >= 16


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_has_a_hash(source: Writes, mode: str) -> None:
    grey = drawn().convert("L")
    picture = grey.convert("I").convert("I;16") if mode == "I;16" else grey.convert(mode)
    row = facts(source(saved("PNG", picture), "a.png"))

    assert len(row["perceptual_hash"]) == len("dhash:") + 16
    assert (str(row["mode"]), row["truncated"]) == (mode, False)


def test_a_photograph_tells_camera_time_and_place(source: Writes) -> None:
    row = facts(source(saved("JPEG", exif=exif(), dpi=(300, 300)), "a.jpg"))

    assert (row["camera_make"], row["camera_model"], row["lens"]) == ("Kamera", "K-1", "35 mm")
    assert row["taken_at"] == datetime(2026, 11, 20, 12, 30, tzinfo=UTC)  # the clock's own time
    assert (row["taken_offset"], row["orientation"]) == ("+02:00", 6)
    assert (row["dpi_x"], row["dpi_y"]) == (300, 300)
    place = (row["gps_latitude"], row["gps_longitude"], row["gps_altitude"])
    assert [float(number) for number in place] == [-33.8586111, 151.21, -12.5]
    told = json.loads(row["exif"])
    assert (told["Make"], told["GPS.GPSLatitudeRef"]) == ("Kamera", "S")


def test_places_are_left_out_when_asked(source: Writes) -> None:
    table = opened(source(saved("JPEG", exif=exif()), "a.jpg"), strip_gps=True)

    (row,) = all_values(table)
    assert [row[name] for name in row if name.startswith("gps_")] == [None] * 3
    assert "GPS" not in row["exif"]
    assert (row["camera_make"], table.receipt.options["strip_gps"]) == ("Kamera", "true")


PROFILE = "\nexif\n    180\n" + b"Exif\0\0II*\0".hex() + "00" * 40
PLACE_CHUNKS = {
    "Raw profile type exif": PROFILE,
    "Raw profile type xmp": "\nxmp\n 4\n3c782f3e",
    "exif:GPSLatitude": "33/1, 51/1, 31/1",
    "packet": "<rdf:Description exif:GPSLatitude='33,51.5S'/>",
    "notes": PROFILE,
    "Comment": "33.858611, 151.210000",
    "Description": "33°51'31\"S 151°12'36\"E",
    "seen": "+33.8586-151.2100/",
}


def test_places_written_as_text_are_left_out_when_asked(source: Writes) -> None:
    chunks = PngImagePlugin.PngInfo()
    for name, text in {**PLACE_CHUNKS, "Title": "Vault", "City": "Oslo"}.items():
        chunks.add_text(name, text)
    chunks.add_itxt("XML:com.adobe.xmp", XMP.replace("<rdf:li>keys", "<rdf:li>geo:lat=33.85"))
    content = saved("PNG", pnginfo=chunks)
    told, table = facts(source(content, "a.png")), opened(source(content, "b.png"), strip_gps=True)

    assert json.loads(told["text_chunks"]).keys() > PLACE_CHUNKS.keys()
    (row,) = all_values(table)
    assert json.loads(row["text_chunks"]) == {"City": "Oslo", "Title": "Vault"}
    assert (row["keywords"], row["comment"], row["description"]) == ('["doors"]', None, None)
    assert "places_left_out" in [warning.code for warning in table.warnings]
    assert not re.search(r"33\D51|33\.8|151|45786966", " ".join(map(str, (row, *table.warnings))))


def test_the_place_of_a_map_is_left_out_when_asked(source: Writes) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, values in ((33922, (0.0, 0.0, 0.0, 151.25, 33.5, 0.0)), (33550, (0.125, 0.125, 0.0))):
        tags.tagtype[tag], tags[tag] = 12, values
    content = saved("TIFF", tiffinfo=tags)

    assert "151.25" in facts(source(content, "a.tif"))["exif"]
    stripped = facts(source(content, "b.tif"), strip_gps=True)["exif"]
    assert ("ImageWidth" in stripped, "151.25" in stripped, "0.125" in stripped) == (
        *(True, False, False),
    )


def test_times_of_a_clock_that_was_never_set_are_left_out(source: Writes) -> None:
    found = Image.Exif()
    found[0x0132] = "0000:00:00 00:00:00"

    assert facts(source(saved("JPEG", exif=found), "a.jpg"))["taken_at"] is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_captions_of_xmp_are_told(source: Writes, kind: str) -> None:
    how: dict[str, Any] = {"xmp": XMP.encode()}
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", XMP)
        how = {"pnginfo": chunks}
    elif kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.tagtype[700], tags[700] = 1, XMP.encode()
        how = {"tiffinfo": tags}
    row = facts(source(saved(kind, **how), "a.bin"))

    assert (row["title"], row["keywords"], row["creator"]) == ("Vault", '["keys", "doors"]', "Ana")


def iptc_jpeg(*records: tuple[int, bytes]) -> bytes:
    data = b"".join(b"\x1c\x02" + bytes([n]) + struct.pack(">H", len(v)) + v for n, v in records)
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    content = b"Photoshop 3.0\0" + block
    plain = saved("JPEG")
    return plain[:2] + b"\xff\xed" + struct.pack(">H", len(content) + 2) + content + plain[2:]


def test_captions_of_iptc_are_told(source: Writes) -> None:
    content = iptc_jpeg((5, b"Vault"), (25, b"keys"), (25, "Türen".encode("cp1252")), (120, b"x"))
    row = facts(source(content, "a.jpg"))

    assert (row["title"], row["keywords"], row["description"]) == (
        *("Vault", '["keys", "Türen"]', "x"),
    )


def test_a_damaged_packet_leaves_the_rest(source: Writes) -> None:
    table = opened(source(saved("JPEG", xmp=b"<x><y>", exif=exif()), "a.jpg"))

    (row,) = all_values(table)
    assert (row["camera_make"], row["truncated"]) == ("Kamera", False)
    assert [warning.code for warning in table.warnings] == ["xmp_damaged"]


def test_text_chunks_are_told(source: Writes) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Title", "Vault")
    chunks.add_text("Ticket", "007", zip=True)
    row = facts(source(saved("PNG", pnginfo=chunks), "a.png"))

    assert row["title"] == "Vault"
    assert json.loads(row["text_chunks"]) == {"Ticket": "007", "Title": "Vault"}


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_frames_are_counted(source: Writes, kind: str) -> None:
    frames = [drawn(), drawn().rotate(90), drawn().rotate(180)]
    content = saved(kind, frames[0], save_all=True, append_images=frames[1:])

    row = facts(source(content, "a.bin"))
    assert (row["frames"], row["truncated"]) == (3, False)


@pytest.mark.parametrize("kind", [kind for kind in SIZED if kind != "heic"])
@pytest.mark.parametrize("share", [0.7, 0.97])
def test_a_picture_that_breaks_off_tells_what_was_read(
    source: Writes, kind: str, share: float
) -> None:
    content = saved(kind.upper(), drawn(640, 480), **({"exif": exif()} if kind == "jpeg" else {}))
    name = f"a.{kind}"
    try:
        table = opened(source(content[: int(len(content) * share)], name))
    except CorruptInput:
        # The directory of a TIFF lies behind its pixels: nothing was read before it.
        assert kind in ("tiff", "webp")
        return

    (row,) = all_values(table)
    assert (row["width"], row["truncated"]) == (640, True)
    assert "truncated" in [warning.code for warning in table.warnings]
    assert kind != "jpeg" or row["camera_make"] == "Kamera"


def test_pages_behind_the_end_are_missed(source: Writes) -> None:
    pages = [drawn(), drawn(), drawn()]
    content = bytearray(saved("TIFF", pages[0], save_all=True, append_images=pages[1:]))
    with Image.open(io.BytesIO(bytes(content))) as picture:
        picture.seek(2)
        (start,) = picture.tag_v2[273]  # type: ignore[attr-defined]
    entry = struct.pack("<HHII", 273, 4, 1, start)
    place = bytes(content).index(entry) + 8
    content[place : place + 4] = struct.pack("<I", len(content) + 1)

    assert facts(source(bytes(content), "a.tif"))["truncated"] is True


def png(width: int, height: int, body: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    "content",
    [
        png(60_000, 60_000, bytes(1000)),
        png(8, 8, bytes(200), (b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20)))),
        png(8, 8, bytes(200), (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(64 << 20)))),
        b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff" + bytes(50),
    ],
    ids=["pixels", "packed-text", "packed-translation", "canvas"],
)
def test_a_picture_that_fills_the_memory_is_refused(source: Writes, content: bytes) -> None:
    file = source(content, "a.bin")
    tracemalloc.start()
    try:
        with pytest.raises(CorruptInput) as error:
            opened(file)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert error.value.reason == "too_large_inside"


def test_pixels_beyond_the_limit_are_not_decoded(source: Writes) -> None:
    """A plan of a whole town, which is no bomb: its file is large, too."""
    content = png(20_000, 20_000, b"", (b"vpAg", bytes(13 << 20)))
    table = opened(source(content, "a.png"))

    (row,) = all_values(table)
    assert (row["width"], row["perceptual_hash"], row["truncated"]) == (20_000, None, False)
    assert [warning.code for warning in table.warnings] == ["pixels_not_read"]


SVG = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="120px" height="80"
 viewBox="0 0 240 160" onload="steal()"><title>Loan</title><desc>How a loan is given</desc>
 <script>steal()</script><image href="https://example.org/x.png"/></svg>"""


def test_a_drawing_tells_its_size_and_title(source: Writes) -> None:
    row = facts(source(SVG, "a.svg"))

    assert (row["format"], row["width"], row["height"]) == ("svg", 120, 80)
    assert (row["title"], row["description"]) == ("Loan", "How a loan is given")
    assert json.loads(row["details"]) == {
        "elements": 5,
        "scripts": 2,
        "external_links": 1,
        "view_box": "0 0 240 160",
    }


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg><title>&a;</title></svg>',
        "<svg><title>",
        "<svg>" + "<g>" * 300 + "</g>" * 300 + "</svg>",
    ],
    ids=["entity", "cut", "deep"],
)
def test_a_hostile_drawing_is_refused(source: Writes, content: str) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.svg"))


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\xff\xd8\xff\xe0" + bytes(9)],
    ids=["nothing", "text", "png", "jpeg"],
)
def test_what_has_no_header_is_corrupt(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.png"))


def test_pictures_are_told_by_their_first_bytes() -> None:
    assert {kind: kind_of(write()[:64]) for kind, (write, _) in SIZED.items()} == {
        kind: kind for kind in SIZED
    }
    assert kind_of(b"BM is how a note may begin\0\0\0\0") == ""
    assert kind_of(b"<p>an svg</p>") == ""


def test_an_unknown_option_is_refused(source: Writes) -> None:
    with pytest.raises(ConfigurationError):
        opened(source(saved("PNG"), "a.png"), colour="x")
