"""The password of a locked file (row D12): from a variable, standard input, or as it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import say

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret, SecretRef

PasswordOption = Annotated[
    str | None,
    typer.Option("--password", help="Deprecated, as others can see it: the password as it is."),
]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
PasswordEnvOption = Annotated[
    str | None,
    typer.Option("--password-env", help="Variable of the environment that holds the password."),
]


def given_password(
    literal: str | None, *, from_stdin: bool, variable: str | None = None
) -> Secret | None:
    """The password a command was given, None for none; the variable, too, is read here.

    Raises:
        CredentialError: the variable is not set.
        ConfigurationError: nothing on standard input.
        BadParameter: more than one way to give it.
    """
    ways = (literal is not None) + from_stdin + bool(variable)
    if not ways:
        return None
    if ways > 1:
        raise typer.BadParameter("give one of --password-env, --password-stdin and --password")
    # Only who gives a password needs what reads one.
    from kmflow_orchestration.cli.given_token import read_secret
    from kmflow_orchestration.config.secret_refs import Secret, SecretRef
    from kmflow_orchestration.redaction import register

    if from_stdin:
        return read_secret("--password-stdin")
    if variable:
        return SecretRef("env", variable).resolve()
    password = literal or ""
    register(password)
    say("warning: lists of processes show what stands behind --password; use --password-env")
    return Secret(password)


def password_reference(variable: str | None, *, from_stdin: bool) -> SecretRef | None:
    """Where a later run of another process finds the password, None for none.

    Raises:
        CredentialError: the variable is not set here, too: then its name may be a typing error, or
            the password itself; of one from standard input, that there is no key to keep it under.
        ConfigurationError: nothing on standard input.
        BadParameter: more than one way to give it.
    """
    password = given_password(None, from_stdin=from_stdin, variable=variable)
    if password is None:
        return None
    from kmflow_orchestration.config.ciphertext import encrypt
    from kmflow_orchestration.config.secret_refs import SecretRef

    if variable:
        return SecretRef("env", variable)
    return SecretRef("fernet", encrypt(password.reveal(), os.environ))
