"""A token given to a command (row D7): from standard input, or, outside production, as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import say
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.redaction import register

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret

TokenOption = Annotated[
    str | None, typer.Option("--token", help="A token as it is; others can see it: rather stdin.")
]
TokenStdinOption = Annotated[
    bool, typer.Option("--token-stdin", help="Read a token from standard input.")
]
_LONGEST = 1 << 16


def given_token(token: str | None, *, from_stdin: bool, production: bool) -> Secret | None:
    """The token a command was given, None for none.

    Raises:
        ConfigurationError: on the command line in production, or nothing on standard input.
    """
    if token is not None and from_stdin:
        raise typer.BadParameter("give either --token or --token-stdin")
    if from_stdin:
        return read_secret("--token-stdin")
    if token is None:
        return None
    register(token)
    if production:
        raise ConfigurationError(
            "--token is refused in production: lists of processes show it",
            fields=("--token",),
            hint="pipe it in with --token-stdin, or name a profile",
        )
    from kmflow_orchestration.config.secret_refs import Secret

    say("warning: lists of processes show what stands behind --token; --token-stdin does not")
    return Secret(token)


def read_secret(option: str) -> Secret:
    """One secret from standard input, without the line's end.

    Raises:
        ConfigurationError: there is nothing, or far more than a secret.
    """
    from kmflow_orchestration.config.secret_refs import Secret

    text = sys.stdin.read(_LONGEST + 1).strip()
    register(text)
    if not text or len(text) > _LONGEST:
        raise ConfigurationError(
            f"{option}: there is no secret on standard input", fields=(option,), hint="pipe it in"
        )
    return Secret(text)
