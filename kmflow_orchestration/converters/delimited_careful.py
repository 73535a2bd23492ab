"""The careful reader: record by record, for files that are small or keep no rules."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import islice

from kmflow_orchestration.converters.delimited_reading import (
    Block,
    Counts,
    NumberedRecord,
    Reading,
    block_of,
)
from kmflow_orchestration.converters.delimited_records import stream_records
from kmflow_orchestration.converters.text_encoding import Utf8Stream

_BLOCK_ROWS = 20_000
_CHUNK_BYTES = 1 << 20


def careful_blocks(reading: Reading, counts: Counts) -> Iterator[Block]:
    """All rows of a table, in order."""
    records = (
        NumberedRecord(row, record)
        for row, record in enumerate(
            stream_records(_chunks(reading), reading.form), start=reading.first_row
        )
    )
    while chunk := list(islice(records, _BLOCK_ROWS)):
        block = block_of(chunk, reading, counts)
        if len(block.rows):
            yield block


def _chunks(reading: Reading) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    with Utf8Stream(
        reading.path,
        reading.scan.encoding,
        start_byte=reading.start_byte,
        stop_byte=reading.stop_byte,
    ) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield decoder.decode(chunk)
