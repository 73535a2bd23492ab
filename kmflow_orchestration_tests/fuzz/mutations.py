"""What happens to files on their way: cut, flipped, doubled, mixed with others."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

# Bytes that mean something to one format or another.
_WORDS = (
    *(b"\x00", b"\xff" * 4, b'"', b"'", b"\n", b"\r\n", b",", b";", b"<", b">", b"&", b"{", b"["),
    *(
        b"\xef\xbb\xbf",
        b"-1",
        b"1e999",
        b"PK\x03\x04",
        b"%PDF",
        b"\x1a",
        b"<!DOCTYPE a>",
        b"=" * 76,
    ),
)


def mutated(content: bytes, others: tuple[bytes, ...], random: Random) -> bytes:
    """The content after one to four accidents."""
    for _ in range(random.randint(1, 4)):
        content = random.choice(_ACCIDENTS)(content, others, random)
    return content


def _cut(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    return content[: random.randint(0, len(content))]


def _begun_late(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    return content[random.randint(0, min(64, len(content))) :]


def _flipped(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    found = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if found:
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _overwritten(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    word = random.choice(_WORDS)
    at = random.randint(0, len(content))
    return content[:at] + word + content[at + len(word) :]


def _inserted(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    at = random.randint(0, len(content))
    return content[:at] + random.choice(_WORDS) * random.randint(1, 3) + content[at:]


def _removed(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    first, last = sorted(random.randint(0, len(content)) for _ in range(2))
    return content[:first] + content[min(last, first + 200) :]


def _doubled(content: bytes, _: tuple[bytes, ...], random: Random) -> bytes:
    first, last = sorted(random.randint(0, len(content)) for _ in range(2))
    return content[:last] + content[first:last] + content[last:]


def _mixed(content: bytes, others: tuple[bytes, ...], random: Random) -> bytes:
    other = random.choice(others)
    return content[: random.randint(0, len(content))] + other[random.randint(0, len(other)) :]


_ACCIDENTS: tuple[Callable[[bytes, tuple[bytes, ...], Random], bytes], ...] = (
    *(_cut, _begun_late, _flipped, _flipped, _overwritten, _inserted, _removed, _doubled, _mixed),
)
