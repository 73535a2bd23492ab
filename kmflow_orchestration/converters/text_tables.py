"""Tables inside documents as text: one line a row, cells between bars, as Markdown has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def as_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows without any text are left out; a line break inside a cell becomes a blank."""
    lines = [[" ".join(cell.split()).replace("|", r"\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines if any(line))
