"""Tables of an Access database that its list does not name, found by their definitions (D29)."""

from __future__ import annotations

from collections.abc import Container

from kmflow_orchestration.converters.access_databases.definition import DEFINITION_PAGE
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.errors import CorruptInput

_FREE_MAP_ROW, _FREE_MAP_PAGE = 0, 1


def unlisted_tables(pages: Pages, listed: Container[int]) -> list[int]:
    """Pages on which a definition begins that is not `listed`; deleted tables have none.

    An entry of the list whose kind or page is damaged leaves its table behind so.
    """
    begun: list[int] = []
    continued: set[int] = set()
    for number, head in pages.begun():
        if head[0] == DEFINITION_PAGE:
            continued.add(int.from_bytes(head[4:], "little"))
            if number not in listed:
                begun.append(number)
    found = [number for number in begun if number not in continued]
    free = _free(pages) if found else ()
    return [number for number in found if number not in free]


def _free(pages: Pages) -> Container[int]:
    """Pages that the engine gave up, which keep what stood on them."""
    try:
        return frozenset(pages.owned(_FREE_MAP_ROW, _FREE_MAP_PAGE))
    except CorruptInput:
        return ()
