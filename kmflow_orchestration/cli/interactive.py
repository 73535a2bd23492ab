"""What a person may decide while a file is converted: only on a terminal, and only if asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import typer

from kmflow_orchestration.errors import OutputExistsError, PasswordRequiredError

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.operations.convert.options import ConversionOptions

Answer = TypeVar("Answer")
_TRIES = 3


def may_ask(*, interactive: bool) -> bool:
    """Whether somebody wants to be asked, and is there."""
    return interactive and sys.stdin.isatty()


def deciding(
    attempt: Callable[[ConversionOptions, Secret | None], Answer],
    options: ConversionOptions,
    password: Secret | None,
    *,
    interactive: bool,
) -> Answer:
    """What the attempt gives, tried again as its user decides.

    Raises:
        KmflowError: as the attempt does, if nobody is asked or the answer is no.
    """
    if not may_ask(interactive=interactive):
        return attempt(options, password)
    tries = 0
    while True:
        try:
            return attempt(options, password)
        except OutputExistsError as error:
            question = f"{error.message}. Replace it?"
            if options.force or not typer.confirm(question, err=True):
                raise
            options = replace(options, force=True)
        except PasswordRequiredError as error:
            tries += 1
            if tries > _TRIES:
                raise
            password = _asked(f"{error.message}. Password")


def _asked(question: str) -> Secret:
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.redaction import register

    told = str(typer.prompt(question, hide_input=True, err=True))
    register(told)
    return Secret(told)
