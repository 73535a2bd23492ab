"""The options of a conversion as flags, made from the one table that notebooks use as well."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum, StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from kmflow_orchestration.operations.convert.options import OPTIONS, ConversionOption

QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing but what failed.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show where in the code a failure arose.")
]


def with_conversion_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes every option of the table as a flag, and them all as `given`."""

    @wraps(command)
    def run(**values: Any) -> None:
        given = {option.name: values.pop(option.name) for option in OPTIONS}
        command(**values, given={name: _plain(value) for name, value in given.items()})

    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name != "given"]
    parameters = [*own, *map(_parameter, OPTIONS)]
    # Typer reads the signature, and the annotations beside it.
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _parameter(option: ConversionOption) -> inspect.Parameter:
    shown = not (option.is_readers or option.is_list or isinstance(option.default, bool))
    # Of what is on by itself the last flag is its opposite.
    flags = ("/".join(option.flags),) if option.default is True else option.flags
    told = typer.Option(*flags, help=_help(option), min=option.least, show_default=shown)
    default = option.default
    if option.is_list or (option.is_readers and not isinstance(default, bool)):
        default = None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[_kind(option), told],
    )


# Typer shows the members of an enumeration as choices; by this name no checker looks into it.
_words: Any = StrEnum


def _kind(option: ConversionOption) -> Any:
    if option.is_list:
        return list[str] | None
    kind: Any = type(option.default)
    if option.choices:
        kind = _words(option.name, {choice: choice for choice in option.choices})
    return kind | None if option.is_readers and kind is not bool else kind


def _help(option: ConversionOption) -> str:
    return f"{option.help} [formats that know it]" if option.is_readers else option.help


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return tuple(value) if isinstance(value, list) else value
