"""`kmflow auth`: how this process, or a group, signs in to its workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.given_token import TokenOption, TokenStdinOption, given_token
from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_config import GroupConfig
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.credentials.own_connection import OwnConnection
    from kmflow_orchestration.databricks_client.calls import WorkspaceCalls

app = typer.Typer(help="How a process or a group signs in.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """How a process or a group signs in."""


@app.command()
def show(
    *,
    group: Annotated[str | None, typer.Option(help="A group; else the process itself.")] = None,
    workspace_url: Annotated[str | None, typer.Option(help="Address of the workspace.")] = None,
    token: TokenOption = None,
    token_stdin: TokenStdinOption = False,
    profile: Annotated[str | None, typer.Option(help="Section of the profile file.")] = None,
    auth_type: Annotated[str | None, typer.Option(help="One method of the SDK.")] = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the workspace who we are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Host, method and the source of each; of a secret only that it is set."""
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.credentials.own_connection import OwnConnection

    settings = load_settings()
    given: dict[str, str | Secret | None] = {
        "host": workspace_url,
        "token": given_token(token, from_stdin=token_stdin, production=settings.production),
        "profile": profile,
        "auth_type": auth_type,
    }
    options = {name: value for name, value in given.items() if value}
    if group is not None:
        if options:
            raise typer.BadParameter("a group signs in by its own settings only")
        found = _group(group, online=online)
    else:
        found = _process(OwnConnection.of(settings, options=options), online=online)
    if as_json:
        show_json({name: {"value": value, "source": place} for name, value, place in found})
    else:
        show_rows("Sign-in", ("what", "value", "source"), found)


Found = list[tuple[str, str, str]]


def _process(own: OwnConnection, *, online: bool) -> Found:
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context

    config = own.sign_in_settings("kmflow-process").to_config(0)
    sources = own.sources()
    found = [("host", config.host, sources.pop("host")), *_login(config, sources)]
    if online:
        with Context(load_settings(), own_connection=own) as context:
            found.append(_identity(context.connections.own_client))
    return found


def _login(config: GroupConfig, sources: Mapping[str, str]) -> Found:
    shown = {
        "profile": config.profile,
        "client_id": config.client_id,
        "auth_type": config.auth_type,
    }
    rows = [
        (name, shown.get(name) or "set", place)
        for name, place in sources.items()
        if name in {*shown, "token", "client_secret"}
    ]
    if config.profile:
        rows.append(("profile", config.profile, config.config_file))
    return rows


def _group(name: str, *, online: bool) -> Found:
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.databricks_client.group_sign_in import ways
    from kmflow_orchestration.names import group_id

    with open_context() as context:
        config = context.group_configs.active(group_id(name))
        place = f"group {config.group_id}, version {config.version}"
        found = [("host", config.host or "local", place)]
        if config.workspace_url:
            found += [(way, "set", _kept(config, way)) for way in ways(config)]
        if online and config.workspace_url:
            found.append(_identity(context.clients.get(config)))
    return found


def _kept(config: GroupConfig, way: str) -> str:
    reference = {"token": config.token, "client_id": config.client_secret}.get(way)
    return reference.shown if reference is not None else config.profile or config.auth_type


def _identity(calls: WorkspaceCalls) -> tuple[str, str, str]:
    from kmflow_orchestration.databricks_client.workspace_info import current_principal

    principal = current_principal(calls, is_patient=False)
    say("the workspace knows us")
    return ("identity", principal.display_name or principal.user_name, calls.auth_kind)
