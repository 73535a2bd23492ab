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

MISFIT: Final = "kmflow misfit in column "
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<apart>[ T])[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?P<fraction>\.[0-9]{1,6})?(?P<zone>Z|[+-]00(?::?00)?)?"
)
_SECONDS: Final = len("2026-11-20 10:00:00")


@dataclass(frozen=True, slots=True)
class Cast:
    """What one column is turned into; `sql` is an expression over its text.

    `is_uniform` says that all values have as many digits after the point; of others the most
    digits of one value cannot be told from the typed values.
    """

    type: ColumnType
    sql: str
    is_uniform: bool = True


def type_of(samples: Iterable[pa.StringArray]) -> ColumnType:
    """The type all samples of a column need."""
    found = EMPTY
    for values in samples:
        found = observed_type(values, found)
    return found


def cast_of(name: str, kind: ColumnType, samples: Sequence[pa.StringArray] = ()) -> Cast | None:
    """How column `name` becomes `kind`, in the one form its samples have; None if in several.

    Without samples only types that are written in one way have a cast.
    """
    if kind.kind in (Kind.STRING, Kind.EMPTY):
        return Cast(kind, name)
    if kind.kind is Kind.NUMBER:
        return _number(name, kind, samples)
    if kind.kind is Kind.BOOLEAN:
        word = f"lower({name})"
        return Cast(
            kind, f"CASE {word} WHEN 'true' THEN true WHEN 'false' THEN false {_else(name)}"
        )
    if kind.kind is Kind.DATE:
        typed = f"TRY_CAST({name} AS DATE)"
        return Cast(kind, _proven(name, typed, f"{typed}::VARCHAR = {name}"))
    return _moment(name, kind, samples)


def _else(name: str) -> str:
    # The text of the error has the column alone: no value of a client comes into it.
    return f"ELSE CASE WHEN {name} IS NULL THEN NULL ELSE error('{MISFIT}{name}') END END"


def _proven(name: str, typed: str, proof: str) -> str:
    return f"CASE WHEN {proof} THEN {typed} {_else(name)}"


def _number(name: str, kind: ColumnType, samples: Sequence[pa.StringArray]) -> Cast | None:
    if kind.is_double:
        return None
    typed = f"TRY_CAST({name} AS {kind.sql})"
    written = f"{typed}::VARCHAR"
    if kind.scale == 0 or _have_scale(samples, kind.scale):
        return Cast(kind, _proven(name, typed, f"{written} = {name}"))
    # Fewer digits after the point than the type has: the rest of what is written out is zeros.
    proof = f"starts_with({written}, {name}) AND NOT ends_with({name}, '.')"
    return Cast(kind, _proven(name, typed, proof), is_uniform=False)


def _have_scale(samples: Sequence[pa.StringArray], scale: int) -> bool:
    """Whether all values have as many digits after the point, and some before it."""
    pattern = rf"^-?[0-9]+\.[0-9]{{{scale}}}$"
    fits = (pc.all(pc.match_substring_regex(values, pattern)).as_py() for values in samples)
    return bool(samples) and all(found is not False for found in fits)


def _moment(name: str, kind: ColumnType, samples: Sequence[pa.StringArray]) -> Cast | None:
    """Moments down to seconds or beyond, with a zone only if that is UTC, in one form."""
    texts = [values.drop_null() for values in samples]
    first = next((values[0].as_py() for values in texts if len(values)), "")
    found = _MOMENT.fullmatch(first)
    if found is None:
        return None
    zone = found["zone"] or ""
    core = f"left({name}, -{len(zone)})" if zone else name
    typed = f"TRY_CAST({core} AS TIMESTAMP)"
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
    text = f"replace({name}, 'T', ' ')" if found["apart"] == "T" else name
    return Cast(kind, _proven(name, f"{typed}::TIMESTAMPTZ", f"{written} = {text}"))
