"""Flags that many commands take, each of which hears of them all by one parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable


def added_flags(
    command: Callable[..., None],
    run: Callable[..., None],
    flags: Iterable[inspect.Parameter],
    *,
    instead_of: str,
) -> Callable[..., None]:
    """`run` as Typer is to see it: with the command's parameters, and the flags for one of them."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name != instead_of]
    parameters = [*own, *flags]
    # Typer reads the signature, and the annotations beside it.
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
