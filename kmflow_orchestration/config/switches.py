"""Words that turn something on or off in a variable (row C1)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

TRUE = ("1", "true", "yes", "on", "y", "t")
FALSE = ("0", "false", "no", "off", "n", "f")


def switch(text: str) -> bool:
    """Whether a word means on; case and blanks around it do not count, nothing is off.

    Raises:
        ValueError: any other word, naming those that are taken.
    """
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE or not word:
        return False
    raise ValueError(f"must be one of {', '.join(TRUE)} or {', '.join(FALSE)}")


def _read(value: Any) -> Any:
    return switch(value) if isinstance(value, str) else value


Switch = Annotated[bool, BeforeValidator(_read)]
