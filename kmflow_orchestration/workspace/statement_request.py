"""Reading the body of a statement's submission."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.wire import WireError


def wait_s(body: Mapping[str, Any]) -> int:
    """Seconds to wait for the statement: 0, or 5 to 50. Raises WireError."""
    text = str(body.get("wait_timeout") or "10s")
    found = re.fullmatch(r"(\d+)s", text)
    if found is None or not (int(found[1]) == 0 or 5 <= int(found[1]) <= 50):
        raise invalid("wait_timeout must be 0 seconds or between 5 and 50 seconds.")
    if int(found[1]) == 0 and body.get("on_wait_timeout") == "CANCEL":
        raise invalid("wait_timeout 0s cannot be used with on_wait_timeout CANCEL.")
    if body.get("on_wait_timeout") not in {None, "CONTINUE", "CANCEL"}:
        raise invalid("on_wait_timeout must be CONTINUE or CANCEL.")
    return int(found[1])


def disposition_of(body: Mapping[str, Any]) -> str:
    """INLINE or EXTERNAL_LINKS. Raises WireError for forms we do not serve.

    A client that leaves the choice to us gets the one that its format goes with.
    """
    disposition = str(body.get("disposition") or "INLINE")
    form = str(body.get("format") or "JSON_ARRAY")
    if disposition == "INLINE_OR_EXTERNAL_LINKS":
        disposition = "EXTERNAL_LINKS" if form == "ARROW_STREAM" else "INLINE"
    if (disposition, form) not in {("INLINE", "JSON_ARRAY"), ("EXTERNAL_LINKS", "ARROW_STREAM")}:
        raise invalid(
            f"The format {form} with the disposition {disposition} is not supported:"
            " INLINE takes JSON_ARRAY, EXTERNAL_LINKS takes ARROW_STREAM."
        )
    return disposition


def parameters_of(body: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Parameters by name. Raises WireError."""
    found = []
    for item in body.get("parameters") or ():
        if not isinstance(item, Mapping) or not item.get("name"):
            raise invalid("A parameter must have a name.")
        value = item.get("value")
        kind = str(item.get("type") or "STRING")
        found.append(Parameter(str(item["name"]), None if value is None else str(value), kind))
    return tuple(found)


def limit_of(body: Mapping[str, Any], name: str) -> int | None:
    """A positive number or None. Raises WireError."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or value <= 0:
        raise invalid(f"{name} must be a positive number.")
    return value


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises WireError."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is missing.")
    return value


def invalid(message: str) -> WireError:
    """400 INVALID_PARAMETER_VALUE."""
    return WireError(400, "INVALID_PARAMETER_VALUE", message)
