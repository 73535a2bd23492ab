"""What may be said about how a DBF table is read."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.converters.reader_options import ReaderOptions, refused


@dataclass(frozen=True, slots=True)
class DbaseOptions(ReaderOptions):
    """`encoding`: a code page for all texts, instead of the one the file names.

    `ignore_missing_memo`: memos whose file is not there are NULL, and counted.
    `include_deleted`: deleted records are rows too, told by the column `_deleted`.
    """

    encoding: str = ""
    ignore_missing_memo: bool = False
    include_deleted: bool = False

    def check(self) -> None:
        """See ReaderOptions."""
        from kmflow_orchestration.converters.dbase_reading import known_encoding

        if self.encoding and not known_encoding(self.encoding):
            raise refused("encoding", f"is {self.encoding!r}, no encoding", "such as cp850")
