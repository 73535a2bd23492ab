"""`kmflow service`: the web service that jobs report to."""

from __future__ import annotations

import signal
from contextlib import suppress

import typer

from kmflow_orchestration.cli.output import say

app = typer.Typer(help="The web service that jobs report to.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """The web service that jobs report to."""


@app.command()
def run() -> None:
    """Serve jobs' reports, evidence and pages on KMFLOW_SERVICE_HOST and _PORT; Ctrl-C ends it."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.service.app import create_app
    from kmflow_orchestration.service.dependencies import ServiceDependencies
    from kmflow_orchestration.service.server import ServiceServer

    with open_context() as context:
        settings = context.settings
        dependencies = ServiceDependencies(
            runs=context.profile_runs,
            keys=context.callback.keys,
            storage=settings.storage_backend,
            clock=context.clock,
            tokens=context.api_tokens,
            health=context.health,
            group=context.group,
        )
        app = create_app(dependencies)
        # Whoever runs services stops them by SIGTERM: that ends it as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with (
            suppress(KeyboardInterrupt),
            ServiceServer(app, host=settings.service_host, port=settings.service_port) as server,
        ):
            say(f"service on {server.url}/api/v1/health")
            server.wait()
        say("stopped")
