"""How an error of ours ends a step: named by its code, retried only where that can help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from kmflow_orchestration.errors import KmflowError


@contextmanager
def failing_as_dagster() -> Iterator[None]:
    """Turn a KmflowError into a Failure that says whether Dagster shall retry.

    Raises:
        dg.Failure: whenever the block raises a KmflowError.
    """
    try:
        yield
    except KmflowError as error:
        raise dg.Failure(
            f"[{error.code}] {error}",
            metadata={"code": error.code, "hint": error.hint},
            allow_retries=error.retryable,
        ) from error
