"""How DuckDB turns a text column into a typed one, each value proven to be what was written.

A cast alone proves nothing (it takes '007' for 7 and '1.50' for 2), so the typed value is written
out again and compared with the text. What is no such form is a misfit, which stops the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<apart>[ T])[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?P<fraction>\.[0-9]{1,6})?(?P<zone>Z|[+-]00(?::?00)?)?"
)
_DAY: Final = len("2026-11-20")
_SECONDS: Final = len("2026-11-20 10:00:00")


@dataclass(frozen=True, slots=True)
class Cast:
    """What one column is turned into, as expressions of SQL.

    `typed` is one over its text; `value` and its `proof` are over the text and what that is. Of a
    text that is no such type the proof is false or NULL; without one the value is the text.
    `is_uniform` says that all values have as many digits after the point; of others the most
    digits of one value cannot be told from the typed values.
    """

    type: ColumnType
    value: str
    proof: str = ""
    typed: str = ""
    is_uniform: bool = True


def type_of(samples: Iterable[pa.StringArray]) -> ColumnType:
    """The type all samples of a column need."""
    found = EMPTY
    for values in samples:
        found = observed_type(values, found)
    return found


def cast_of(
    text: str, typed: str, kind: ColumnType, samples: Sequence[pa.StringArray] = ()
) -> Cast | None:
    """How a text becomes `kind`, in the one form its samples have; None if in several.

    `text` and `typed` are the names of the columns they are in. Without samples only types that
    are written in one way have a cast.
    """
    if kind.kind in (Kind.STRING, Kind.EMPTY):
        return Cast(kind, text)
    if kind.kind is Kind.NUMBER:
        return _number(text, typed, kind, samples)
    if kind.kind is Kind.BOOLEAN:
        return Cast(kind, f"{typed} = 'true'", f"{typed} IN ('true', 'false')", f"lower({text})")
    if kind.kind is Kind.DATE:
        # Years of five digits and the word for infinity are written out as they were, too.
        proof = f"{typed}::VARCHAR = {text} AND strlen({text}) = {_DAY}"
        return Cast(kind, typed, proof, f"TRY_CAST({text} AS DATE)")
    return _moment(text, typed, kind, samples)


def _number(
    text: str, typed: str, kind: ColumnType, samples: Sequence[pa.StringArray]
) -> Cast | None:
    if kind.is_double:
        return None
    cast = f"TRY_CAST({text} AS {kind.sql})"
    written = f"{typed}::VARCHAR"
    if kind.scale == 0 or _have_scale(samples, kind.scale):
        return Cast(kind, typed, f"{written} = {text}", cast)
    # Fewer digits after the point than the type has: the rest of what is written out is zeros.
    proof = f"starts_with({written}, {text}) AND NOT ends_with({text}, '.')"
    return Cast(kind, typed, proof, cast, is_uniform=False)


def _have_scale(samples: Sequence[pa.StringArray], scale: int) -> bool:
    """Whether all values have as many digits after the point, and some before it."""
    pattern = rf"^-?[0-9]+\.[0-9]{{{scale}}}$"
    fits = (pc.all(pc.match_substring_regex(values, pattern)).as_py() for values in samples)
    return bool(samples) and all(found is not False for found in fits)


def _moment(
    text: str, typed: str, kind: ColumnType, samples: Sequence[pa.StringArray]
) -> Cast | None:
    """Moments down to seconds or beyond, with a zone only if that is UTC, in one form."""
    texts = [values.drop_null() for values in samples]
    first = next((values[0].as_py() for values in texts if len(values)), "")
    found = _MOMENT.fullmatch(first)
    if found is None:
        return None
    zone = found["zone"] or ""
    core = f"left({text}, -{len(zone)})" if zone else text
    written = f"{typed}::VARCHAR"
    lengths = [pc.min_max(pc.binary_length(values)).as_py() for values in texts if len(values)]
    is_even = all(each["min"] == each["max"] == len(first) for each in lengths)
    if found["fraction"] and is_even:
        # Zeros at the end are written too.
        size = _SECONDS + len(found["fraction"])
        point = f"CASE WHEN length({written}) = {_SECONDS} THEN '.' ELSE '' END"
        written = f"rpad({written} || {point}, {size}, '0')"
    if zone:
        written += f" || '{zone}'"
    spaced = f"replace({text}, 'T', ' ')" if found["apart"] == "T" else text
    # In microseconds: the engine's own way to a zone asks a calendar, for UTC too.
    value = f"make_timestamptz(epoch_us({typed}))"
    # Of a moment without an end that would be NULL.
    proof = f"{written} = {spaced} AND isfinite({typed})"
    return Cast(kind, value, proof, f"TRY_CAST({core} AS TIMESTAMP)")
