"""`kmflow databricks`: conversions under the names that Databricks users look for (row D13)."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.batch_convert import batch_convert
from kmflow_orchestration.cli.convert import convert

app = typer.Typer(
    help="Convert files of Unity Catalog Volumes, or into them.", no_args_is_help=True
)
app.command("convert")(convert)
app.command("batch-convert")(batch_convert)
