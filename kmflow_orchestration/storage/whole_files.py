"""A stream into a local file that appears whole, and right, or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.storage.verified_reading import CHUNK_BYTES

CORRUPT = ".corrupt"
_LONGEST_NAME_BYTES = 255


def below(root: Path, parts: tuple[str, ...], *, is_followed: bool = True) -> Path:
    """A place below a folder; it may itself be a link out if that is replaced, not followed.

    Raises:
        UnsafePath: a link leads it out.
    """
    place = root.joinpath(*parts)
    if not Path(os.path.realpath(place if is_followed else place.parent)).is_relative_to(
        os.path.realpath(root)
    ):
        raise UnsafePath(f"{place} leads out of {root}")
    return place


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `target` when the block ends well.

    Otherwise nothing of it is left. Raises OSError.
    """
    temporary = target.parent / f".{uuid4().hex}.part"
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def put_whole(
    target: Path,
    stream: BinaryIO,
    *,
    size_bytes: int | None,
    is_right: Callable[[str], bool],
    on_bytes: Callable[[int], object] | None = None,
) -> bool:
    """Write a stream; whether its bytes are right.

    Wrong ones are kept beside, under the name with `.corrupt`, and `target` stays as it was.

    Args:
        target: where the file appears; what was there is replaced.
        stream: read to its end.
        size_bytes: how many bytes it should have, None if nobody knows.
        is_right: judges the SHA-256, in hex, of all that was read.
        on_bytes: hears of bytes as they are written.

    Raises:
        OSError: the disk failed; nothing of it is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{uuid4().hex}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with temporary.open("xb") as file:
            while chunk := stream.read(CHUNK_BYTES):
                check_given_up()
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
                if on_bytes is not None:
                    on_bytes(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        good = size_bytes in {None, size} and is_right(digest.hexdigest())
        temporary.replace(target if good else corrupt_name(target))
    finally:
        temporary.unlink(missing_ok=True)
    if good:
        corrupt_name(target).unlink(missing_ok=True)
    return good


def corrupt_name(target: Path) -> Path:
    """Where wrong bytes of a file are kept; a name that is long already loses its end."""
    room = _LONGEST_NAME_BYTES - len(CORRUPT)
    name = os.fsencode(target.name)[:room].decode("utf-8", "ignore")
    return target.with_name(name + CORRUPT)
