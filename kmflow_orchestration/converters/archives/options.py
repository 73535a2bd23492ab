"""What may be said of the files of an archive: whatever may be said of any file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning, Converter
from kmflow_orchestration.converters.reader_options import (
    OTHER_NAMES,
    check_bad_lines,
    check_names,
)

_BAD_LINES = "bad_lines"
# What an archive holds is converted, whatever else lies in it.
_NOT_FOR_MEMBERS = frozenset({"extract_attachments"})
_UNUSED = "option_unused"


def member_options(readers: Iterable[Converter]) -> Mapping[str, Any]:
    """Names and defaults of all that the readers of files take."""
    found: dict[str, Any] = {_BAD_LINES: ""}
    for reader in readers:
        for name, default in reader.options().items():
            if name not in _NOT_FOR_MEMBERS:
                found.setdefault(name, default)
    return found


@dataclass(frozen=True, slots=True)
class MemberOptions:
    """Those that were given; each reader gets what it knows, and checks it."""

    given: Mapping[str, Any]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None, readers: Iterable[Converter]) -> MemberOptions:
        """Raises ConfigurationError for an option that no reader knows."""
        check_names(given or {}, member_options(readers))
        found = {name: value for name, value in (given or {}).items() if value != ""}
        if _BAD_LINES in found:
            check_bad_lines(found[_BAD_LINES])
        return cls(found)

    def known_to(self, converter: Converter) -> Mapping[str, Any] | None:
        """Those that mean something to the reader of a file."""
        known = converter.options()
        found: dict[str, Any] = {}
        for name, value in self.given.items():
            if name in known:
                found[name] = value
            elif name in OTHER_NAMES and OTHER_NAMES[name][0] in known:
                own, translated = OTHER_NAMES[name]
                found[own] = translated(value)
            else:
                continue
            self._used.add(name)
        return found or None

    def unused(self) -> Iterable[ConversionWarning]:
        """A warning for each that meant nothing to any file."""
        for name in sorted(self.given.keys() - self._used - {_BAD_LINES}):
            text = f"the option {name} means nothing to any file of the archive"
            yield ConversionWarning(_UNUSED, text)
