"""Values of JSON lines whose text is another one than what stands in the line."""

from __future__ import annotations

import json
from typing import Any

from kmflow_orchestration.converters.json_text import DECODER, Doubles, as_json
from kmflow_orchestration.converters.proven_copy import MisfitError
from kmflow_orchestration.errors import CorruptInput


def escaped_text(raw: bytes) -> bytes:
    """A text in its quotes, read. Raises MisfitError."""
    return _checked(str(_decoded(DECODER, raw.decode())))


def nested_text(raw: bytes) -> bytes:
    """An array or object as our own reader has it: without blanks. Raises MisfitError.

    How deep it lies the caller must know.
    """
    text = raw.decode()
    if "\\" not in text:
        _decoded(_PROOF, text)
        if " " not in text:
            return raw
        # Each second piece lies between quotes.
        pieces = text.split('"')
        pieces[::2] = [piece.replace(" ", "") for piece in pieces[::2]]
        return '"'.join(pieces).encode()
    doubles = Doubles()
    try:
        found = as_json(_decoded(DECODER, text), doubles)
    except CorruptInput as error:
        raise MisfitError("a deep value") from error
    if doubles.count:
        raise MisfitError("a key that is there twice")
    return _checked(found)


def _without_doubles(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) < len(pairs):
        raise MisfitError("a key that is there twice")


# Says only that a value is one.
_PROOF = json.JSONDecoder(object_pairs_hook=_without_doubles, parse_int=len, parse_float=len)


def _decoded(decoder: Any, text: str) -> Any:
    try:
        found, end = decoder.scan_once(text, 0)
    except (ValueError, StopIteration, RecursionError) as error:
        raise MisfitError("no JSON") from error
    if end != len(text):
        raise MisfitError("more than a value")
    return found


def _checked(text: str) -> bytes:
    """Half a character has no form in UTF-8, and NUL is better told by our own reader."""
    try:
        found = text.encode()
    except UnicodeEncodeError as error:
        raise MisfitError("half a character") from error
    if b"\0" in found:
        raise MisfitError("a NUL")
    return found
