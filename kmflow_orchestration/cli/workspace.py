"""`kmflow workspace`: the embedded Databricks workspace on its own."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import typer

from kmflow_orchestration.cli.output import say, show_text

app = typer.Typer(help="The embedded Databricks workspace.", no_args_is_help=True)

_ADDRESS_FAULTS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}


@app.callback()
def _family() -> None:
    """The embedded Databricks workspace."""


@app.command()
def serve(
    directory: Annotated[Path, typer.Option("--dir", help="Folder of the workspace's state.")],
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")
    ] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="https, with a certificate made in --dir.")
    ] = False,
    gcp: Annotated[
        bool, typer.Option("--gcp", help="Large files go up as they do on Google's cloud.")
    ] = False,
) -> None:
    """Serve a workspace on loopback and print a .databrickscfg for it; Ctrl-C stops it."""
    from kmflow_orchestration.errors import ConfigurationError
    from kmflow_orchestration.workspace.own_token import own_token
    from kmflow_orchestration.workspace.seeding import seed_workspace
    from kmflow_orchestration.workspace.server import EmbeddedWorkspace, databrickscfg, run

    token = own_token(directory)

    def tell(workspace: EmbeddedWorkspace) -> None:
        admin = seed_workspace(workspace, "default", admin_token=token)
        warehouse = workspace.services.warehouses.default_id(admin.workspace_id)
        show_text(databrickscfg(workspace.url, {"DEFAULT": token}), is_secret=True)
        say(f"embedded workspace on {workspace.url}, warehouse {warehouse}, state in {directory}")
        if workspace.trust is not None:
            say(f"clients must trust it: export REQUESTS_CA_BUNDLE={workspace.trust.resolve()}")

    try:
        run(directory, port=port, tls=tls, cloud="GCP" if gcp else "AWS", on_start=tell)
    except OSError as error:
        if error.filename is not None or error.errno not in _ADDRESS_FAULTS:
            raise
        raise ConfigurationError(
            f"cannot listen on port {port}: {error.strerror}",
            fields=("port",),
            hint="give another --port, or none to take a free one",
        ) from error
