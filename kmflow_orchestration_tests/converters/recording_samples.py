"""Recordings written by hand, as small as their formats allow: what they hold is known."""

from __future__ import annotations

import io
import struct
import wave

_EPOCH_2024 = 3_786_912_000  # seconds since 1904, as MP4 counts
_IDENTITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_QUARTER_TURN = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)


def wav(seconds: int = 1) -> bytes:
    """Silence in stereo, 8000 times a second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as target:
        target.setnchannels(2)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(bytes(8000 * 4 * seconds))
    return buffer.getvalue()


def flac() -> bytes:
    """The header and the tags of one second."""
    info = struct.pack(">HH", 4096, 4096) + bytes(6)
    info += ((44100 << 44) | (1 << 41) | (15 << 36) | 44100).to_bytes(8, "big") + bytes(16)
    tags = [b"TITLE=Vault", b"ARTIST=Ana"]
    comment = struct.pack("<I", 4) + b"hand" + struct.pack("<I", len(tags))
    comment += b"".join(struct.pack("<I", len(tag)) + tag for tag in tags)
    return b"fLaC" + b"\0\0\0\x22" + info + b"\x84" + len(comment).to_bytes(3, "big") + comment


def mp3(frames: int = 40) -> bytes:
    """Frames of silence behind tags."""

    def frame(name: bytes, text: bytes) -> bytes:
        return name + struct.pack(">IH", len(text) + 1, 0) + b"\3" + text

    tags = frame(b"TIT2", b"Vault") + frame(b"TPE1", b"Ana") + frame(b"TXXX", b"Ticket\x00007")
    size = bytes(len(tags) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + tags + (b"\xff\xfb\x90\x64" + bytes(413)) * frames


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + name + body


def _full(version: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">I", version << 24 | flags)


def mp4(brand: bytes = b"isom", place: bytes = b"") -> bytes:
    """Two seconds of a turned film with sound, subtitles and two chapters."""
    head = struct.pack(">IIIIIH", _EPOCH_2024, _EPOCH_2024, 1000, 2000, 0x10000, 0x100)
    header = _box(b"mvhd", _full(), head, bytes(10), _IDENTITY, bytes(24), struct.pack(">I", 4))
    title = _box(b"\xa9nam", _box(b"data", struct.pack(">II", 1, 0), b"A day"))
    handler = _box(b"hdlr", _full(), bytes(4), b"mdir", b"appl", bytes(9))
    names = [(0, b"Intro"), (1, b"End")]
    chapters = b"".join(struct.pack(">QB", at * 10_000_000, len(name)) + name for at, name in names)
    told = _box(
        b"udta",
        _box(b"\xa9xyz", struct.pack(">HH", len(place), 0x15C7), place) if place else b"",
        _box(b"meta", _full(), handler, _box(b"ilst", title)),
        _box(b"chpl", _full(1), bytes(1), struct.pack(">I", len(names)), chapters),
    )
    movie = _box(b"moov", header, _film(), _sound(), _subtitles(), told)
    start = _box(b"ftyp", brand, struct.pack(">I", 512), b"isomiso2mp41")
    return start + _box(b"mdat", bytes(70_000)) + movie


def _film() -> bytes:
    entry = _box(
        b"mp4v",
        bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", 320, 240),
        struct.pack(">IIIH", 0x480000, 0x480000, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1),
    )
    frame = _box(b"vmhd", _full(0, 1), bytes(8))
    sides = struct.pack(">II", 320 << 16, 240 << 16)
    place = struct.pack(">III", 1, 0, 2000) + bytes(16) + _QUARTER_TURN + sides
    return _track(b"vide", b"und", place, (frame, entry), (50, 40, 100))


def _sound() -> bytes:
    sizes = struct.pack(">HHHHI", 2, 16, 0, 0, 8000 << 16)
    entry = _box(b"sowt", bytes(6) + struct.pack(">H", 1) + bytes(8) + sizes)
    frame = _box(b"smhd", _full(), bytes(4))
    place = struct.pack(">III", 2, 0, 2000) + bytes(16) + _IDENTITY + bytes(8)
    return _track(b"soun", b"deu", place, (frame, entry), (16_000, 1, 4))


def _subtitles() -> bytes:
    font = _box(b"ftab", struct.pack(">HHB", 1, 1, 5), b"Serif")
    entry = _box(b"tx3g", bytes(6) + struct.pack(">H", 1) + bytes(30), font)
    frame = _box(b"nmhd", _full())
    place = struct.pack(">III", 3, 0, 2000) + bytes(16) + _IDENTITY + bytes(8)
    return _track(b"sbtl", b"eng", place, (frame, entry), (1, 2000, 100))


def _track(
    handler: bytes,
    language: bytes,
    place: bytes,
    boxes: tuple[bytes, bytes],
    samples: tuple[int, int, int],
) -> bytes:
    frame, entry = boxes
    count, ticks, size = samples
    code = sum((letter - 0x60) << (10 - 5 * at) for at, letter in enumerate(language))
    times = struct.pack(">II", _EPOCH_2024, _EPOCH_2024)
    header = _box(b"tkhd", _full(0, 3) + times + place)
    media = _box(b"mdhd", _full() + times + struct.pack(">IIHH", 1000, 2000, code, 0))
    kind = _box(b"hdlr", _full() + bytes(4) + handler + bytes(12) + b"\0")
    source = _box(b"dref", _full(), struct.pack(">I", 1), _box(b"url ", _full(0, 1)))
    table = _box(
        b"stbl",
        _box(b"stsd", _full(), struct.pack(">I", 1), entry),
        _box(b"stts", _full(), struct.pack(">III", 1, count, ticks)),
        _box(b"stsc", _full(), struct.pack(">IIII", 1, 1, count, 1)),
        _box(b"stsz", _full(), struct.pack(">II", size, count)),
        _box(b"stco", _full(), struct.pack(">II", 1, 40)),
    )
    return _box(
        b"trak",
        header,
        _box(b"mdia", media, kind, _box(b"minf", frame, _box(b"dinf", source), table)),
    )


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def matroska(kind: bytes = b"matroska", *, has_streams: bool = True) -> bytes:
    """A film with subtitles and two chapters, or a container with nothing in it."""
    head = _element("1a45dfa3", _element("4282", kind) + _element("4287", b"\4"))
    length = _element("4489", struct.pack(">d", 2000.0))
    info = _element("1549a966", _element("2ad7b1", (10**6).to_bytes(4, "big")) + length)
    if not has_streams:
        return head + _element("18538067", info)
    sides = _element("e0", _element("b0", b"\1\x40") + _element("ba", b"\xf0"))
    film = _element("d7", b"\1") + _element("83", b"\1") + _element("86", b"V_VP9") + sides
    rate = _element("23e383", (40_000_000).to_bytes(4, "big"))
    text = _element("d7", b"\2") + _element("83", b"\x11") + _element("86", b"S_TEXT/UTF8")
    text += _element("22b59c", b"ger") + _element("536e", b"Deutsch")
    tracks = _element("1654ae6b", _element("ae", film + rate) + _element("ae", text))
    return head + _element("18538067", info + tracks)
