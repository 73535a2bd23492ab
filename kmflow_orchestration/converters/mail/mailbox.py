"""Mailboxes (.mbox): one message after the other, each below a line that begins with `From `."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.errors import CorruptInput

MAX_MESSAGE_BYTES = 256 << 20
_SEPARATOR = re.compile(rb"From \S+.*\d{4}|From -")
# Lines of text that look like a separator were quoted once more when they were written.
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def messages_in(path: Path) -> Iterator[bytes]:
    """Bytes of each message; only one is in memory at a time.

    Raises:
        CorruptInput: one of more than 256 MiB (`too_large_inside`).
    """
    lines: list[bytes] = []
    size = 0
    is_after_blank = True
    with path.open("rb") as stream:
        for line in stream:
            if is_after_blank and _SEPARATOR.match(line):
                if lines:
                    yield _QUOTED.sub(rb"\1", b"".join(lines))
                lines, size = [], 0
            else:
                lines.append(line)
                size += len(line)
            if size > MAX_MESSAGE_BYTES:
                raise CorruptInput("a message of more than 256 MiB", reason=TOO_LARGE)
            is_after_blank = not line.strip()
    if any(line.strip() for line in lines):
        yield _QUOTED.sub(rb"\1", b"".join(lines))
