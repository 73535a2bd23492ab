"""JSON values without loss: numbers as they were written, objects with all their keys in order.

An object is a tuple of (key, value) pairs, an array a list, text a plain `str`.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any

from kmflow_orchestration.converters.record_tables import Form
from kmflow_orchestration.errors import CorruptInput

MAX_DEPTH = 200
TOO_DEEP = f"values lie more than {MAX_DEPTH} levels deep"


class Number(str):
    """A number in its source's own digits."""

    __slots__ = ()


class NotANumber(str):
    """`NaN`, `Infinity` or `-Infinity`, which JSON does not know and some programs write."""

    __slots__ = ()


DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_float=Number, parse_int=Number, parse_constant=NotANumber
)
FORMS = {str: Form.TEXT, Number: Form.NUMBER, NotANumber: Form.TEXT}
"""Forms of the values that are their own text, by type."""


def form_and_text(value: Any) -> tuple[int, str | None]:
    """What a value is and its text as a cell; arrays and objects are JSON without spaces.

    Raises:
        CorruptInput: values deeper than MAX_DEPTH (`too_large_inside`).
    """
    form = FORMS.get(type(value))
    if form is not None:
        return form, value
    if value is None:
        return Form.TEXT, None
    if isinstance(value, bool):
        return Form.BOOLEAN, "true" if value else "false"
    return Form.NESTED, as_json(value)


def as_json(value: Any, depth: int = 1) -> str:
    """A value as JSON text; see `form_and_text`."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is Number or kind is NotANumber:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if depth > MAX_DEPTH:
        raise CorruptInput(TOO_DEEP, reason="too_large_inside")
    if isinstance(value, list):
        return f"[{','.join([as_json(inner, depth + 1) for inner in value])}]"
    members = [f"{encode_basestring(key)}:{as_json(inner, depth + 1)}" for key, inner in value]
    return f"{{{','.join(members)}}}"


def is_object(value: Any) -> bool:
    return isinstance(value, tuple)


def are_objects(value: Any) -> bool:
    """Whether a value is an array of at least one object and of nothing else."""
    return isinstance(value, list) and bool(value) and all(map(is_object, value))
