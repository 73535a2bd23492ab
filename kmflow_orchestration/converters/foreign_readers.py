"""Readers of other people's making, on bytes of unknown origin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kmflow_orchestration.errors import CorruptInput, KmflowError


@contextmanager
def refusals_of(what: str) -> Iterator[None]:
    """What a library raises over damaged content means that `what` cannot be read.

    Raises:
        CorruptInput: the library failed; a reason that was found before stays as it is.
    """
    try:
        yield
    # Not the file's fault, or told already.
    except (KmflowError, ImportError, MemoryError):
        raise
    # On hostile bytes each library fails in ways of its own: KeyError, struct.error, …
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise CorruptInput(f"the {what} cannot be read: {cause[:300]}") from error
