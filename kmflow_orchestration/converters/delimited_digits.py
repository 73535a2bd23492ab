"""How many digits the numbers of a column have, told from the typed column without its text."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from kmflow_orchestration.converters.delimited_casts import Cast
from kmflow_orchestration.converters.type_lattice import ColumnType, number

_LEAST_LONG, _MOST_LONG = -(2**63), 2**63 - 1


def exact_number(
    cast: Cast, least: Decimal | int, most: Decimal | int, has_longest: Callable[[], bool]
) -> ColumnType | None:
    """The type of all numbers between two bounds; None where only their text can tell.

    `has_longest` says whether one value has the most digits before and after the point alike.
    """
    largest = whole_part(least, most)
    digits, scale = len(str(largest)) if largest else 0, cast.type.scale
    is_beyond = not (least >= _LEAST_LONG and most <= _MOST_LONG)
    if not scale:
        return number(max(digits, 1), beyond_long=is_beyond)
    # Whether what is so large was written as an integer only the text says.
    if not cast.is_uniform and (is_beyond or not (digits and has_longest())):
        return None
    return number(digits, scale, significant=digits + scale, beyond_long=False)


def whole_part(least: Decimal | int, most: Decimal | int) -> int:
    """The most that stands before the point, whatever the sign."""
    # As integers: arithmetic of decimals rounds to 28 digits.
    return max(abs(int(least)), abs(int(most)))
