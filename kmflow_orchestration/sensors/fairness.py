"""Taking turns: a group with much to do delays another by at most one request (AD6)."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")


def in_turns(waiting: Mapping[str, Sequence[T]], limit: int) -> list[T]:
    """At most `limit` requests, one group after the other, each group's in its own order."""
    missing = object()
    rounds = zip_longest(*(waiting[group] for group in sorted(waiting)), fillvalue=missing)
    fair = [request for turn in rounds for request in turn if request is not missing]
    return fair[:limit]  # type: ignore[return-value]
