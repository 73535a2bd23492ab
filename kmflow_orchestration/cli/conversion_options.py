"""The options of a conversion as flags, made from the one table that notebooks use as well."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from enum import Enum, StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from kmflow_orchestration.cli.added_flags import added_flags
from kmflow_orchestration.config.databricks_file import variables_of
from kmflow_orchestration.operations.convert.option_table import OPTIONS, ConversionOption


def _variables(name: str) -> list[str]:
    """Those of an option, if it has any; a flag wins over them."""
    return [*variables_of(name)] if name else []


QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing but what failed.")]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        envvar=_variables("DEBUG"),
        help="Show where in the code a failure arose.",
    ),
]
InteractiveOption = Annotated[
    bool, typer.Option("--interactive", help="On a terminal: ask where something is to be decided.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds one file may take.")
]
MaxMemoryOption = Annotated[
    int,
    typer.Option(
        "--max-memory",
        min=64,
        envvar=_variables("MAX_MEMORY"),
        help="Megabytes one file may take.",
    ),
]


def _folder(given: str | None) -> str | None:
    """A place for results. Raises BadParameter for an empty text, or a file."""
    if given is not None and (not given or Path(given).is_file()):
        raise typer.BadParameter("is empty" if not given else f"{given} is a file")
    return given


OutputDirOption = Annotated[
    str | None,
    typer.Option(
        "--output-dir",
        envvar=_variables("OUTPUT_DIR"),
        callback=_folder,
        help="Folder of the results where no other place is named.",
    ),
]
TempDirOption = Annotated[
    Path | None,
    typer.Option(
        "--temp-dir",
        envvar=_variables("TEMP_DIR"),
        exists=True,
        file_okay=False,
        writable=True,
        help="Folder of what is set aside meanwhile. Default: the system's.",
    ),
]


def with_conversion_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes every option of the table as a flag, and them all as `given`."""
    return _with(OPTIONS, command)


def with_reader_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same of the options of readers alone."""
    return _with([option for option in OPTIONS if option.is_readers], command)


def _with(options: Sequence[ConversionOption], command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(**values: Any) -> None:
        given = {option.name: values.pop(option.name) for option in options}
        command(**values, given={name: _plain(value) for name, value in given.items()})

    return added_flags(command, run, map(_parameter, options), instead_of="given")


def ambient_options() -> dict[str, str]:
    """Options of single formats that the environment says."""
    found = {}
    for option in OPTIONS:
        if option.is_readers and option.variable:
            told = (os.environ.get(name) for name in _variables(option.variable))
            if value := next(filter(None, told), None):
                found[option.name] = value
    return found


def _parameter(option: ConversionOption) -> inspect.Parameter:
    is_switch = isinstance(option.default, bool)
    is_open = not is_switch and (option.is_readers or option.is_list or option.default == "")
    # Of what is on by itself the last flag is its opposite.
    is_pair = option.default is True or option.has_opposite
    first, *others = option.flags
    flags = (f"{first}/{others[-1]}", *others[:-1]) if is_pair else option.flags
    told = typer.Option(
        *flags,
        help=_help(option),
        min=option.least,
        show_default=not (is_open or is_switch),
        # What a reader may not know is looked up apart: see `ambient_options`.
        envvar=None if option.is_readers else _variables(option.variable) or None,
    )
    default = None if is_open else option.default
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
    is_open = (option.is_readers and kind is not bool) or option.default == ""
    return kind | None if is_open else kind


def _help(option: ConversionOption) -> str:
    return f"{option.help} [formats that know it]" if option.is_readers else option.help


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return tuple(value) if isinstance(value, list) else value
