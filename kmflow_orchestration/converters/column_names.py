"""Column names every engine takes, unique within their table (design AD9)."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.names import safe_column, short_hash

# Names that provenance takes in every dataset table; a source column of that name is numbered.
RESERVED = frozenset({"group_id", "engagement_id"})
_MAX_COLUMNS = 16_384
_MAX_LENGTH = 120


def column_names(headers: Sequence[str | None]) -> tuple[str, ...]:
    """Safe names for the headers of one table, in their order.

    An empty header becomes `column_<n>` (n from 1), a name that is taken gets `_2`, `_3`, ….
    """
    taken = set(RESERVED)
    names = []
    for position, header in enumerate(headers, start=1):
        name = _unique(_shortened(safe_column(header or "")) or f"column_{position}", taken)
        taken.add(name)
        names.append(name)
    return tuple(names)


def check_width(columns: int) -> None:
    """Raises CorruptInput when that many columns are more than a table may have."""
    if columns > _MAX_COLUMNS:
        text = f"{columns} columns, at most {_MAX_COLUMNS} are taken"
        raise CorruptInput(text, reason=TOO_LARGE)


def _shortened(name: str) -> str:
    if len(name) <= _MAX_LENGTH:
        return name
    return f"{name[:_MAX_LENGTH]}_{short_hash(name)}"


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
