"""`kmflow dataset`: what is known of a group's dataset tables."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.dataset_drift import drift

app = typer.Typer(help="What is known of a group's dataset tables.", no_args_is_help=True)
# A family of one command would else be that command.
app.callback()(lambda: None)
app.command("drift")(drift)
