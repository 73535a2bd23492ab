"""The header of an Avro file, read by ourselves: what it asks of a reader is known before one runs.

The library follows a schema in compiled code, and one that names itself can lead it as deep as the
data wants: that ends the process, not the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.errors import CorruptInput

MAGIC = b"Obj\x01"
MAX_DEPTH = 64
_MAX_HEADER_BYTES = 16 << 20
_DAMAGED = "the Avro header is damaged"


@dataclass(frozen=True, slots=True)
class AvroHeader:
    """`is_recursive`: a type of the schema holds itself."""

    schema: Any
    codec: str
    is_recursive: bool


def read_header(path: Path) -> AvroHeader:
    """Raises CorruptInput: no Avro file, a damaged one, or a schema nested beyond measure."""
    with path.open("rb") as stream:
        if stream.read(4) != MAGIC:
            raise CorruptInput("the content is no Avro file")
        entries = dict(_entries(stream))
    try:
        schema = json.loads(entries[b"avro.schema"])
    except (KeyError, ValueError, RecursionError) as error:
        raise CorruptInput(f"{_DAMAGED}: it holds no schema") from error
    codec = entries.get(b"avro.codec", b"null").decode("ascii", "replace")
    return AvroHeader(schema, codec or "null", _is_recursive(schema))


def _entries(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while count := _long(stream):
        if count < 0:
            # A negative count is followed by the size of its entries.
            count, _ = -count, _long(stream)
        if count > _MAX_HEADER_BYTES:
            raise CorruptInput(_DAMAGED)
        for _ in range(count):
            yield _bytes(stream), _bytes(stream)


def _bytes(stream: BinaryIO) -> bytes:
    length = _long(stream)
    if not 0 <= length <= _MAX_HEADER_BYTES:
        raise CorruptInput(_DAMAGED)
    found = stream.read(length)
    if len(found) < length:
        raise CorruptInput(f"{_DAMAGED}: it ends early")
    return found


def _long(stream: BinaryIO) -> int:
    """A whole number as Avro writes it: 7 bits a byte, the sign in the lowest bit."""
    found = shift = 0
    while True:
        byte = stream.read(1)
        if not byte or shift > 63:
            raise CorruptInput(f"{_DAMAGED}: it ends early")
        found |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return (found >> 1) ^ -(found & 1)


def _is_recursive(schema: Any) -> bool:
    """Whether a named type is used inside itself; walks without recursion of its own."""
    waiting: list[tuple[Any, tuple[str, ...], int]] = [(schema, (), 0)]
    while waiting:
        one, inside, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise CorruptInput(f"the schema is nested deeper than {MAX_DEPTH}", reason="too_deep")
        if isinstance(one, str):
            if _last(one) in inside:
                return True
        elif isinstance(one, list):
            waiting += [(branch, inside, depth + 1) for branch in one]
        elif isinstance(one, Mapping):
            names = inside
            if one.get("type") in ("record", "error") and isinstance(one.get("name"), str):
                names = (*inside, _last(one["name"]))
            fields = one.get("fields")
            inner = [one.get("type"), one.get("items"), one.get("values")]
            if isinstance(fields, list):
                inner += [field.get("type") for field in fields if isinstance(field, Mapping)]
            waiting += [(each, names, depth + 1) for each in inner if each is not None]
    return False


def _last(name: str) -> str:
    """Without its namespace: two types of one name are then taken for one, which is safe."""
    return name.rpartition(".")[2]
