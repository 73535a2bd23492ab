"""`kmflow databricks`: conversions under the names that Databricks users look for (row D13).

And one's own connection: sign in, try it, see what is in force (rows D10 and D15).
"""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.batch_convert import batch_convert
from kmflow_orchestration.cli.convert import convert
from kmflow_orchestration.cli.databricks_check import try_files
from kmflow_orchestration.cli.databricks_config import config
from kmflow_orchestration.cli.databricks_login import login

app = typer.Typer(
    help="Convert files of Unity Catalog Volumes, or into them; sign in, and try that.",
    no_args_is_help=True,
)
app.command("convert")(convert)
app.command("batch-convert")(batch_convert)
app.command("config")(config)
app.command("login")(login)
app.command("test")(try_files)
