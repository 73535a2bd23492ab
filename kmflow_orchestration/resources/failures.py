"""How an error of ours ends a step: named by its code, retried only where that can help, and
without a secret, as any other error."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.extras import missing
from kmflow_orchestration.resources.clean_texts import clean_errors


@contextmanager
def failing_as_dagster() -> Iterator[None]:
    """Turn a KmflowError into a Failure that says whether Dagster shall retry.

    Raises:
        dg.Failure: whenever the block raises a KmflowError, or lacks a package.
    """
    with clean_errors():
        try:
            yield
        except KmflowError as error:
            raise _failure(error) from error
        except ModuleNotFoundError as error:
            raise _failure(missing(error)) from error


def _failure(error: KmflowError) -> dg.Failure:
    return dg.Failure(
        f"[{error.code}] {error}",
        metadata={"code": error.code, "hint": error.hint},
        allow_retries=error.retryable,
    )
