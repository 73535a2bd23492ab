"""`kmflow db`: the control database."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json

app = typer.Typer(help="The control database.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """The control database."""


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Bring the control database to this version's schema; a second call changes nothing."""
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.metadata.engine import migrate as migrate_database
    from kmflow_orchestration.metadata.engine import open_engine

    engine = open_engine(load_settings().control_database_url)
    try:
        revision = migrate_database(engine)
    finally:
        engine.dispose()
    if as_json:
        show_json({"revision": revision})
    else:
        say(f"control database is at revision {revision}")
