"""Errors, events and metadata of steps and ticks reach Dagster without a secret in them (C15).

Dagster stores what a step raises and yields, and shows it to everybody who may open its pages. It
offers no place to look at all of that on its way, so the functions themselves are wrapped. What
they log is cleaned where log records are made (`redacted_process`).
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import wraps
from typing import Any, TypeVar

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster_shared import record

from kmflow_orchestration.redaction import redacted, scrub

T = TypeVar("T")
Function = Callable[..., Any]
# What a result carries for the next step; it is stored by its I/O manager and shown by nobody.
_VALUE = "value"
# Events that a function may yield or return; anything else is its value.
_EVENTS = (
    dg.MaterializeResult,
    dg.ObserveResult,
    dg.AssetMaterialization,
    dg.AssetObservation,
    dg.AssetCheckResult,
    dg.AssetCheckEvaluation,
    dg.ExpectationResult,
    dg.SensorResult,
    dg.RunRequest,
    dg.SkipReason,
)


def clean_texts(assets: Iterable[T]) -> list[T]:
    """The same assets and checks, whose functions let no secret out; a second time changes nothing.

    For your own code location as well: `dg.Definitions(assets=clean_texts([...]), ...)`. Apply
    `dg.with_source_code_references` first: it looks at the functions as they are.
    """
    listed = list(assets)
    for one in listed:
        if isinstance(one, dg.AssetsDefinition) and isinstance(one.node_def, dg.OpDefinition):
            _wrap(one.node_def)
    return listed


def is_clean(function: Function) -> bool:
    """Whether a function of a step or a tick is wrapped."""
    return getattr(function, "_lets_no_secret_out", False)


def clean_function(function: Function) -> Function:
    """A step's or a tick's function whose errors and events hold no secret."""
    if is_clean(function):
        return function
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def clean(*args: Any, **kwargs: Any) -> Any:
            with clean_errors(), closing(function(*args, **kwargs)) as events:
                for event in events:
                    yield clean_event(event)
    else:

        @wraps(function)
        def clean(*args: Any, **kwargs: Any) -> Any:
            with clean_errors():
                return clean_event(function(*args, **kwargs))

    clean._lets_no_secret_out = True  # type: ignore[attr-defined]  # noqa: SLF001 - our own mark
    return clean


@contextmanager
def clean_errors() -> Iterator[None]:
    """What the block raises holds no secret."""
    try:
        yield
    except Exception as error:
        if isinstance(error, dg.Failure):
            error.metadata = clean_metadata(error.metadata)
        shown = scrub(error)
        if shown is error:
            raise
        raise shown from None


def clean_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metadata without secrets; the same object when there are none."""
    cleaned: Mapping[str, Any] = _cleaned(metadata)
    return cleaned


def clean_event(event: Any) -> Any:
    """An event without secrets; the same object when there are none. A value stays what it is."""
    if isinstance(event, dg.Output):
        metadata = clean_metadata(event.metadata)
        return event if metadata is event.metadata else event.with_metadata(metadata)
    if isinstance(event, _EVENTS) or _is_tuple_of_events(event):
        return _cleaned(event)
    return event


def _is_tuple_of_events(event: object) -> bool:
    return isinstance(event, tuple) and bool(event) and isinstance(event[0], _EVENTS)


def _wrap(op: dg.OpDefinition) -> None:
    function = op.compute_fn
    if isinstance(function, DecoratedOpFunction) and not is_clean(function.decorated_fn):
        # Dagster has no way to make an op anew with another function.
        op._compute_fn = DecoratedOpFunction(clean_function(function.decorated_fn))  # noqa: SLF001


def _cleaned(value: Any) -> Any:
    """As `redacted`, and within Dagster's own kinds of records."""
    names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    if names is not None:
        return _record_cleaned(value, names)
    if isinstance(value, Mapping):
        pairs = {redacted(name): _cleaned(one) for name, one in value.items()}
        changed = any(name not in value or pairs[name] is not value[name] for name in pairs)
        return pairs if changed else value
    if type(value) in {list, tuple}:
        items = [_cleaned(one) for one in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    return redacted(value)


def _record_cleaned(value: Any, names: Iterable[str]) -> Any:
    before = {name: getattr(value, name) for name in names if name != _VALUE}
    after = {name: _cleaned(one) for name, one in before.items()}
    changed = {name: one for name, one in after.items() if one is not before[name]}
    if not changed:
        return value
    # Named tuples walk as tuples do; Dagster's records do not, and are made anew in their own way.
    is_named_tuple = type(value).__iter__ is tuple.__iter__
    return value._replace(**changed) if is_named_tuple else record.replace(value, **changed)
