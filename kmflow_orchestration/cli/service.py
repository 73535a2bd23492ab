"""`kmflow service`: the web service that jobs report to."""

from __future__ import annotations

import typer

from kmflow_orchestration.cli.output import say

app = typer.Typer(help="The web service that jobs report to.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """The web service that jobs report to."""


@app.command()
def run() -> None:
    """Serve completions and health until interrupted; address from KMFLOW_SERVICE_HOST and _PORT."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.service.server import serve

    with open_context() as context:
        settings = context.settings
        say(f"service on http://{settings.service_host}:{settings.service_port}/api/v1/health")
        serve(context, host=settings.service_host, port=settings.service_port)
