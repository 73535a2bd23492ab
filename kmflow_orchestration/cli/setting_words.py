"""`catalog=main volume_enabled=true`: settings as words of a command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer

from kmflow_orchestration.config.group_values import DEFAULTS

_FLAGS = {"true": True, "false": False}


def settings_of(words: Iterable[str]) -> dict[str, Any]:
    """Values by name, of the type their setting has; what fits no type stays text.

    An empty value means none, for a list an empty one; lists are separated by commas.

    Raises:
        typer.BadParameter: a word without `=`, or a setting given twice.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, separator, text = word.partition("=")
        if not separator or not name:
            # The word itself is not shown: it may be a secret.
            raise typer.BadParameter("each setting is given as NAME=VALUE")
        if name in values:
            raise typer.BadParameter(f"{name} is given twice")
        values[name] = _typed(text, DEFAULTS.get(name, ""))
    return values


def _typed(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return _FLAGS.get(text.lower(), text)
    if isinstance(default, int):
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() else text
    if isinstance(default, list):
        return [part.strip() for part in text.split(",")] if text else []
    return None if default is None and not text else text
