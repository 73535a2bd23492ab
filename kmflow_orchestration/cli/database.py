"""`kmflow db`: the control database."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli import connection
from kmflow_orchestration.cli.output import JsonOption, say, show_json

app = typer.Typer(help="The control database.", no_args_is_help=True)
app.command("test")(connection.try_connection)


@app.callback()
def _family() -> None:
    """The control database."""


@app.command()
def init(*, as_json: JsonOption = False) -> None:
    """Make the control database where it is missing, and its tables; a repeat changes nothing."""
    _bring_up_to_date(create=True, as_json=as_json)


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Bring the control database to this version's schema; a second call changes nothing."""
    _bring_up_to_date(create=False, as_json=as_json)


def _bring_up_to_date(*, create: bool, as_json: bool) -> None:
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context

    with Context(load_settings()) as context:
        if create:
            context.create_database()
        revision = context.migrate()
    if as_json:
        show_json({"revision": revision})
    else:
        say(f"control database is at revision {revision}")
