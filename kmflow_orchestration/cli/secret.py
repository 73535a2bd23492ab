"""`kmflow secret`: secrets as ciphertext that may stand in a group's settings."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_text

app = typer.Typer(help="Secrets as ciphertext for settings.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """Secrets as ciphertext for settings."""


@app.command()
def encrypt(*, as_json: JsonOption = False) -> None:
    """Encrypt what standard input holds under KMFLOW_FERNET_KEY; prints the reference to store."""
    from kmflow_orchestration.cli.given_token import read_secret
    from kmflow_orchestration.config.ciphertext import encrypt as encrypted
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.credentials.own_connection import OwnConnection

    variables = OwnConnection.of(load_settings()).variables
    reference = f"fernet:{encrypted(read_secret('encrypt').reveal(), variables)}"
    if as_json:
        show_json({"reference": reference})
    else:
        show_text(f"{reference}\n")


@app.command()
def key() -> None:
    """A fresh key for KMFLOW_FERNET_KEY; it is shown once and kept nowhere."""
    from kmflow_orchestration.config.ciphertext import new_key

    show_text(f"{new_key()}\n", is_secret=True)
    say("put it into the environment as KMFLOW_FERNET_KEY; before the old key, to replace that one")
