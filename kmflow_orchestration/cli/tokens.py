"""`kmflow token`: API tokens of groups."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows, show_text
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.api_tokens import ApiToken

app = typer.Typer(help="API tokens of groups.", no_args_is_help=True)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]


@app.command()
def create(
    *,
    group: GroupOption,
    role: Annotated[str, typer.Option(help="admin, editor or viewer.")],
    name: Annotated[str, typer.Option(help="What it is for; the role's name without one.")] = "",
    expires: Annotated[
        str, typer.Option(help="30d, 12h, 2w, a last day such as 2027-01-31, or never.")
    ] = "90d",
    as_json: JsonOption = False,
) -> None:
    """Give out a token. It is printed once, on stdout, and never again."""
    from kmflow_orchestration.access.roles import parse_role
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.token_administration import create_token

    wanted = parse_role(role)
    caller = operator(group)
    with open_context() as context:
        known_group(group, context.group_configs)
        new = create_token(
            group,
            wanted,
            caller=caller,
            tokens=context.api_tokens,
            configs=context.group_configs,
            clock=context.clock,
            name=name,
            expires=expires,
        )
    if as_json:
        show_json(
            {**_known(new.token, context.clock.now()), "token": new.secret.reveal()}, is_secret=True
        )
        return
    show_text(f"{new.secret.reveal()}\n", is_secret=True)
    end = "never" if new.token.expires_at is None else iso(new.token.expires_at)[:19]
    say(f"{new.token.role} token {new.token.token_id} of {group}, expires {end}; keep it now")


@app.command("list")
def list_all(*, group: GroupOption, as_json: JsonOption = False) -> None:
    """Tokens of a group, newest first, with those that are no longer good."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.token_administration import list_tokens

    caller = operator(group)
    with open_context() as context:
        known_group(group, context.group_configs)
        tokens = list_tokens(group, caller=caller, tokens=context.api_tokens)
        now = context.clock.now()
    if as_json:
        show_json({"tokens": [_known(one, now) for one in tokens]})
        return
    columns = ("id", "name", "role", "state", "created", "expires", "last used")
    rows = [
        (
            one.token_id,
            one.name,
            one.role,
            _state(one, now),
            _day(one.created_at),
            _day(one.expires_at) or "never",
            _day(one.last_used_at),
        )
        for one in tokens
    ]
    show_rows(f"API tokens of {group}", columns, rows, whole="id")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `list` shows.")],
    *,
    group: GroupOption,
    as_json: JsonOption = False,
) -> None:
    """Make a token useless from this moment; a second call changes nothing."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import operator
    from kmflow_orchestration.operations.token_administration import revoke_token

    caller = operator(group)
    with open_context() as context:
        token = revoke_token(group, token_id, caller=caller, tokens=context.api_tokens)
    if as_json:
        show_json(_known(token, context.clock.now()))
    else:
        say(f"token {token.token_id} of {group} is revoked")


def _known(token: ApiToken, now: datetime) -> dict[str, object]:
    return {
        "id": token.token_id,
        "group": token.group_id,
        "name": token.name,
        "role": token.role.value,
        "state": _state(token, now),
        "created_at": iso(token.created_at),
        "created_by": token.created_by_email,
        "expires_at": None if token.expires_at is None else iso(token.expires_at),
        "last_used_at": None if token.last_used_at is None else iso(token.last_used_at),
    }


def _state(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "good" if token.is_good(now) else "expired"


def _day(moment: datetime | None) -> str:
    return "" if moment is None else iso(moment)[:10]
