"""Options of a converter as a frozen record: its fields are their names and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Self

from kmflow_orchestration.errors import ConfigurationError

OTHER_NAMES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "header_row": ("header", str),
    "no_header": ("header", lambda _: "none"),
}
"""Options that some readers know by another name, and what their value is there."""

FAIL: Final = "fail"
RESCUE: Final = "rescue"
REJECT: Final = "reject"
BAD_LINES: Final = (FAIL, RESCUE, REJECT)
"""What may become of a line or record that cannot be read as the others are."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """To be derived from; `check` says what a value of the right type may still not be."""

    @classmethod
    def defaults(cls) -> Mapping[str, Any]:
        return {
            option.name: option.default
            if option.default_factory is MISSING
            else option.default_factory()
            for option in fields(cls)
        }

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> Self:
        """Raises ConfigurationError for an unknown option, or a value it cannot have."""
        values = dict(given or {})
        check_names(values, cls.defaults())
        for name, value in values.items():
            if type(value) is not type(cls.defaults()[name]):
                raise refused(name, f"cannot be {value!r}")
        found = cls(**values)
        found.check()
        return found

    def check(self) -> None:
        """Raises ConfigurationError for a value that an option cannot have."""


def check_names(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for an option that nobody knows."""
    for name in sorted(given.keys() - known.keys()):
        hint = f"options: {', '.join(known)}" if known else "there is none"
        raise refused(name, "is no option here", hint)


def check_bad_lines(word: str) -> None:
    """Raises ConfigurationError for a word that is none of BAD_LINES."""
    if word not in BAD_LINES:
        raise refused("bad_lines", f"is {word!r}", "use fail, rescue or reject")


def refused(name: str, problem: str, hint: str = "") -> ConfigurationError:
    """The error about one option."""
    return ConfigurationError(f"option {name} {problem}", fields=(name,), hint=hint)
