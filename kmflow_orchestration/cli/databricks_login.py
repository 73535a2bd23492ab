"""`kmflow databricks login`: sign in once, and keep that in a profile (row D15)."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.output import JsonOption, say, show_json

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret

ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace a profile that is for another workspace.")
]
_METHODS = {"", "pat", "external-browser"}


@with_connection_options
def login(
    *, connecting: Connecting, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Sign in with a token, or with --auth-type external-browser; kept only if that works.

    At a terminal what is missing is asked for; elsewhere nothing is, and that is exit 2.
    """
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
    from kmflow_orchestration.operations.sign_in_user import known_host, sign_in_user

    if connecting.auth_type not in _METHODS:
        raise typer.BadParameter("--auth-type must be pat or external-browser")
    settings = load_settings()
    config = DatabricksConfig.load_from_environment(connecting.config_file)
    known = known_host(settings, connecting.profile) if connecting.profile else ""
    url = connecting.workspace_url or known or config.workspace_url or _asked_url()
    token = _token(connecting, url, production=settings.production)
    kept = sign_in_user(
        settings, url, token, config=config, profile=connecting.profile, force=force
    )
    if as_json:
        show_json(
            {
                "identity": kept.identity,
                "workspace_url": kept.host,
                "profile": kept.profile,
                "profile_file": str(kept.profile_file),
                "defaults_file": str(kept.defaults_file or ""),
            }
        )
        return
    say(f"{kept.host} knows {kept.identity}; profile {kept.profile} of {kept.profile_file} says so")
    if kept.defaults_file is None:
        say(f"{config.file.path} names another profile or workspace: --profile {kept.profile}")
    else:
        say(f"{kept.defaults_file} names it as the usual one")


def _token(connecting: Connecting, url: str, *, production: bool) -> Secret | None:
    """The token given or typed; None to sign in in a browser."""
    from kmflow_orchestration.cli.given_token import given_token
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.redaction import register

    if connecting.auth_type == "external-browser":
        if connecting.token is not None or connecting.token_stdin:
            raise typer.BadParameter("give either a token or --auth-type external-browser")
        _check_attended("--token-stdin")
        return None
    given = given_token(connecting.token, from_stdin=connecting.token_stdin, production=production)
    if given is not None:
        return given
    _check_attended("--token-stdin")
    try:
        typed = getpass.getpass(f"Token for {url}: ").strip()
    except EOFError:
        typed = ""
    register(typed)
    if not typed:
        raise typer.Abort
    return Secret(typed)


def _asked_url() -> str:
    _check_attended("--workspace-url")
    return str(typer.prompt("Address of the workspace", err=True)).strip()


def _check_attended(option: str) -> None:
    """Raises BadParameter where nobody is there to answer."""
    from kmflow_orchestration.databricks_client.browser_sign_in import somebody_is_here

    if not somebody_is_here():
        raise typer.BadParameter(f"nobody is here to ask: give {option}")
