"""What may be said about how a DBF table is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from kmflow_orchestration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DbaseOptions:
    """`encoding`: a code page for all texts, instead of the one the file names.

    `ignore_missing_memo`: memos whose file is not there are NULL, and counted.
    `include_deleted`: deleted records are rows too, told by the column `_deleted`.
    """

    encoding: str = ""
    ignore_missing_memo: bool = False
    include_deleted: bool = False

    @classmethod
    def defaults(cls) -> Mapping[str, Any]:
        return {option.name: option.default for option in fields(cls)}

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Raises ConfigurationError for an unknown name or encoding."""
        known = cls.defaults()
        unknown = sorted(given.keys() - known.keys())
        if unknown:
            raise ConfigurationError(
                f"unknown option {unknown[0]!r}", hint=f"there are {', '.join(known)}"
            )
        found = cls(**given)
        from kmflow_orchestration.converters.dbase_reading import known_encoding

        if found.encoding and not known_encoding(found.encoding):
            raise ConfigurationError(f"{found.encoding!r} is no encoding", hint="such as cp850")
        return found
