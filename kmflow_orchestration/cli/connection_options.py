"""Flags of commands about Volumes: how to sign in, and the user's own file (rows D7 and D10)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.added_flags import added_flags
from kmflow_orchestration.cli.given_token import TokenOption, TokenStdinOption, given_token
from kmflow_orchestration.config.databricks_file import FILE_VARIABLE, find_file, read_file
from kmflow_orchestration.redaction import register

if TYPE_CHECKING:
    from kmflow_orchestration.operations.volume_conversion.sign_ins import GivenSignIn

_USED_BY = {
    "max_file_size_mb": "max_size_mb",
    "temp_directory": "temp_dir",
    **{name: name for name in ("parallel", "compression", "types", "on_error")},
}
"""Keys of the file, and the parameters of commands that they are defaults of."""


def _defaults_of(context: typer.Context, file: Path | None) -> Path | None:
    """The file's values as defaults of the command: behind its flags and their variables."""
    if context.resilient_parsing:
        return file
    path = find_file(file)
    if path is None:
        return None
    values = read_file(path).values
    found: dict[str, Any] = {_USED_BY[name]: values[name] for name in _USED_BY if name in values}
    if "temp_dir" in found:
        found["temp_dir"] = str(Path(found["temp_dir"]).expanduser())
    context.default_map = {**(context.default_map or {}), **found}
    return path


WorkspaceUrlOption = Annotated[str, typer.Option("--workspace-url", help="Address to sign in to.")]
ProfileOption = Annotated[str, typer.Option("--profile", help="Section of the profile file.")]
AuthTypeOption = Annotated[str, typer.Option("--auth-type", help="One method of the SDK.")]
ConfigFileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=FILE_VARIABLE,
        is_eager=True,
        callback=_defaults_of,
        help="Your own defaults.  [default: ~/.kmflow/databricks.yaml]",
    ),
]


@dataclass(frozen=True, slots=True)
class Connecting:
    """What a command was given; read only where it goes to a workspace."""

    workspace_url: str
    token: str | None = field(repr=False)
    token_stdin: bool
    profile: str
    auth_type: str
    config_file: Path | None

    @property
    def given(self) -> tuple[str, ...]:
        """The flags that say how to sign in, of those that were given."""
        told = {
            "--workspace-url": self.workspace_url,
            "--token": self.token is not None,
            "--token-stdin": self.token_stdin,
            "--profile": self.profile,
            "--auth-type": self.auth_type,
        }
        return tuple(flag for flag, is_given in told.items() if is_given)

    @property
    def is_given(self) -> bool:
        """Whether any of them was."""
        return bool(self.given)

    def check_stdin(self, *, password_stdin: bool) -> None:
        """Raises BadParameter where two secrets would come through standard input."""
        if self.token_stdin and password_stdin:
            raise typer.BadParameter("give either --password-stdin or --token-stdin")

    def sign_in(self, *, production: bool) -> GivenSignIn:
        """The flags as a sign-in; standard input is read now.

        Raises:
            BadParameter: two ways at once, or a method there is not.
            ConfigurationError: as `given_token`.
        """
        from kmflow_orchestration.config.auth_types import AUTH_TYPES
        from kmflow_orchestration.operations.volume_conversion.sign_ins import GivenSignIn

        if self.profile and (self.token is not None or self.token_stdin):
            raise typer.BadParameter("give either --profile or a token")
        if self.auth_type and self.auth_type not in AUTH_TYPES:
            raise typer.BadParameter(f"--auth-type must be one of {', '.join(AUTH_TYPES)}")
        secret = given_token(self.token, from_stdin=self.token_stdin, production=production)
        auth_type = self.auth_type or ("pat" if secret else "")
        return GivenSignIn(self.workspace_url, self.profile, auth_type, secret)


NOT_CONNECTING = Connecting("", None, False, "", "", None)
_FLAGS: dict[str, tuple[Any, Any]] = {
    "workspace_url": (WorkspaceUrlOption, ""),
    "token": (TokenOption, None),
    "token_stdin": (TokenStdinOption, False),
    "profile": (ProfileOption, ""),
    "auth_type": (AuthTypeOption, ""),
    "config_file": (ConfigFileOption, None),
}


def with_connection_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes these flags, and hears of them all as `connecting`."""

    @wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in _FLAGS}
        register(given["token"] or "")
        command(**values, connecting=Connecting(**given))

    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in _FLAGS.items()
    ]
    return added_flags(command, run, flags, instead_of="connecting")
