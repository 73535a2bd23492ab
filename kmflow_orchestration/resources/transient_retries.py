"""Steps are tried again after faults that may pass, and after nothing else (row G13).

Dagster's own `retry_policy` also tries a step again that somebody has just cancelled, and one that
failed by a defect. So our steps ask for each retry themselves.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, TypeVar

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

T = TypeVar("T")
Function = Callable[..., Any]
WAITS = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def retry_transient(assets: Iterable[T], waits: dg.RetryPolicy = WAITS) -> list[T]:
    """The same assets, tried again after a Failure that allows it; each takes a context first.

    Apply it last: it changes what a step raises, and not what it says.
    """
    listed = list(assets)
    for one in listed:
        if isinstance(one, dg.AssetsDefinition) and isinstance(one.node_def, dg.OpDefinition):
            _wrap(one.node_def, waits)
    return listed


def is_retried(function: Function) -> bool:
    """Whether a step's function asks for its retries itself."""
    return getattr(function, "_asks_for_retries", False)


def _wrap(op: dg.OpDefinition, waits: dg.RetryPolicy) -> None:
    function = op.compute_fn
    if isinstance(function, DecoratedOpFunction) and not is_retried(function.decorated_fn):
        # Dagster has no way to make an op anew with another function.
        op._compute_fn = DecoratedOpFunction(_retried(function.decorated_fn, waits))  # noqa: SLF001


def _retried(function: Function, waits: dg.RetryPolicy) -> Function:
    if isgeneratorfunction(function):

        @wraps(function)
        def step(context: Any, *args: Any, **kwargs: Any) -> Any:
            with _asking(context, waits), closing(function(context, *args, **kwargs)) as events:
                yield from events
    else:

        @wraps(function)
        def step(context: Any, *args: Any, **kwargs: Any) -> Any:
            with _asking(context, waits):
                return function(context, *args, **kwargs)

    step._asks_for_retries = True  # type: ignore[attr-defined]  # noqa: SLF001 - our own mark
    return step


@contextmanager
def _asking(context: Any, waits: dg.RetryPolicy) -> Iterator[None]:
    try:
        yield
    except dg.Failure as failure:
        if not failure.allow_retries:
            raise
        raise dg.RetryRequested(
            max_retries=waits.max_retries,
            seconds_to_wait=waits.calculate_delay(context.retry_number + 1),
        ) from failure
