"""The end of a large delimited file: whether footers stand below its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.converters.delimited_footers import footers_of
from kmflow_orchestration.converters.delimited_records import Format, text_records
from kmflow_orchestration.converters.delimited_rules import mark_bytes
from kmflow_orchestration.converters.text_encoding import TextScan, text_chunks

_TAIL_CHARS = 64 << 10
_LONGEST_CHARACTER = 4


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the data ends, in bytes of the file as UTF-8, and the footers behind it."""

    stop_byte: int
    footers: tuple[str, ...]


def tail_of(path: Path, scan: TextScan, form: Format, width: int) -> Tail | None:
    """Footers at the end of a file; None when its last rows are data."""
    total, text = _end_of(path, scan)
    start = max(text.find("\n"), text.find("\r")) + 1
    records = list(text_records(text, form, start))
    fitting = sum(len(record.fields) == width for record in records)
    # Cut within a quoted field, nothing would fit: then nothing is said.
    if width < 2 or 2 * fitting < len(records):
        return None
    stop, footers = footers_of(records, width)
    if not footers:
        return None
    behind = text[records[stop - 1].end :]
    texts = tuple(records[at].fields[0] or "" for at in footers)
    return Tail(total - len(behind.encode("utf-8", "surrogatepass")), texts)


def _end_of(path: Path, scan: TextScan) -> tuple[int, str]:
    """Length of a file as UTF-8 without its mark, and its last characters."""
    if scan.is_sound_utf8:
        with path.open("rb") as stream:
            mark = mark_bytes(stream)
            stream.seek(max(mark, scan.size_bytes - _TAIL_CHARS * _LONGEST_CHARACTER))
            # The first character may be cut; so many bytes hold enough of them all the same.
            end = stream.read().decode("utf-8", "ignore")
        return scan.size_bytes - mark, end[-_TAIL_CHARS:]
    total, text = 0, ""
    for chunk in text_chunks(path, scan.encoding):
        total += len(chunk.encode("utf-8", "surrogatepass"))
        text = (text + chunk)[-_TAIL_CHARS:]
    return total, text
