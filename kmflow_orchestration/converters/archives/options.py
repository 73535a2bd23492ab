"""What may be said of the files of an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kmflow_orchestration.converters.interface import Converter
from kmflow_orchestration.converters.reader_options import ReaderOptions, check_bad_lines


@dataclass(frozen=True, slots=True)
class ArchiveOptions(ReaderOptions):
    """`bad_lines` goes to the readers that know it; '' leaves them theirs."""

    bad_lines: str = ""

    def check(self) -> None:
        """See ReaderOptions."""
        if self.bad_lines:
            check_bad_lines(self.bad_lines)

    def known_to(self, converter: Converter) -> Mapping[str, Any] | None:
        """Those that mean something to the reader of a file."""
        known = converter.options()
        given = {name: value for name, value in asdict(self).items() if value and name in known}
        return given or None
