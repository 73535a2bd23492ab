"""JSON values without loss: numbers as they were written, objects with all their keys in order.

An object is a tuple of (key, value) pairs, an array a list, text a plain `str`, and a number the
bytes of its digits: of all types that tell it from a text they are made the quickest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, cast

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.record_cells import Form
from kmflow_orchestration.errors import CorruptInput

MAX_DEPTH = 200
TOO_DEEP = f"values lie more than {MAX_DEPTH} levels deep"


class NotANumber(str):
    """`NaN`, `Infinity` or `-Infinity`, which JSON does not know and some programs write."""

    __slots__ = ()


class Nested(str):
    """An array or object as text."""

    __slots__ = ()


DECODER = json.JSONDecoder(
    object_pairs_hook=tuple,
    # The hooks may make what they like of a number's text.
    parse_float=cast("Any", str.encode),
    parse_int=cast("Any", str.encode),
    parse_constant=NotANumber,
)
FORMS: Mapping[type, int] = {str: Form.TEXT, NotANumber: Form.TEXT, Nested: Form.NESTED}
"""Forms of the values that are their own text, by type."""
_TREES = frozenset({tuple, list})
_TRUTHS = {bool, type(None)}
_TRUTH_WORDS: Mapping[bool | None, str | None] = {True: "true", False: "false", None: None}
_WHOLE_FORMS: Mapping[type, int] = {**FORMS, bytes: Form.NUMBER, type(None): 0}


@dataclass(slots=True)
class Doubles:
    """How many objects within values have a key twice; their text keeps it so."""

    count: int = 0


def form_and_text(value: Any, doubles: Doubles | None = None) -> tuple[int, str | None]:
    """What a value is and its text as a cell; arrays and objects are JSON without spaces.

    Raises:
        CorruptInput: values deeper than MAX_DEPTH (`too_large_inside`).
    """
    form = FORMS.get(type(value))
    if form is not None:
        return form, value
    if isinstance(value, bytes):
        return Form.NUMBER, value.decode()
    if value is None:
        return Form.TEXT, None
    if isinstance(value, bool):
        return Form.BOOLEAN, "true" if value else "false"
    return Form.NESTED, as_json(value, doubles)


def without_nested(values: tuple[Any, ...], doubles: Doubles) -> tuple[Any, ...]:
    """The values of a record, arrays and objects as text: many trees in memory cost much."""
    if _TREES.isdisjoint(map(type, values)):
        return values
    return tuple(
        Nested(as_json(value, doubles)) if type(value) in _TREES else value for value in values
    )


def forms_and_texts(
    values: Sequence[Any], doubles: Doubles | None = None
) -> tuple[int, Sequence[str | bytes | None]]:
    """The same of all values of a column, with their forms joined.

    Raises:
        CorruptInput: as `form_and_text` does.
    """
    forms = 0
    kinds = set(map(type, values))
    if kinds <= _WHOLE_FORMS.keys():
        for kind in kinds:
            forms |= _WHOLE_FORMS[kind]
        return forms, values
    if kinds <= _TRUTHS:
        return Form.BOOLEAN, list(map(_TRUTH_WORDS.__getitem__, values))
    pairs = [form_and_text(value, doubles) for value in values]
    for form in {form for form, text in pairs if text is not None}:
        forms |= form
    return forms, [text for _, text in pairs]


def as_json(value: Any, doubles: Doubles | None = None, depth: int = 1) -> str:
    """A value as JSON text; see `form_and_text`."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is bytes:
        return str(value, "ascii")
    if kind is NotANumber:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if depth > MAX_DEPTH:
        raise CorruptInput(TOO_DEEP, reason=TOO_LARGE)
    if isinstance(value, list):
        return f"[{','.join([as_json(inner, doubles, depth + 1) for inner in value])}]"
    if doubles is not None and len(dict(value)) < len(value):
        doubles.count += 1
    members = [
        f"{encode_basestring(key)}:{as_json(inner, doubles, depth + 1)}" for key, inner in value
    ]
    return f"{{{','.join(members)}}}"


def is_object(value: Any) -> bool:
    return isinstance(value, tuple)


def are_objects(value: Any) -> bool:
    """Whether a value is an array of at least one object and of nothing else."""
    return isinstance(value, list) and bool(value) and all(map(is_object, value))
