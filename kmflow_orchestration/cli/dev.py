"""`kmflow dev`: workspace, service, Dagster webserver and daemon as one process group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kmflow_orchestration.cli.demo import BackendOption, DemoBackend, DirOption
from kmflow_orchestration.cli.output import answer, say


def dev(
    *,
    directory: DirOption = None,
    backend: BackendOption = DemoBackend.databricks,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    with_evidence: Annotated[
        bool, typer.Option("--evidence/--no-evidence", help="Drop the demo's first files.")
    ] = True,
) -> None:
    """Everything live: drop a file into a landing folder and see it arrive. Ctrl-C stops all."""
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.demo.development import Development
    from kmflow_orchestration.demo.home import Home

    home = Home.at(directory or load_settings().home)
    say("starting (about ten seconds)")
    with Development(home, backend.value, port=port, with_evidence=with_evidence) as running:
        for name, address in running.addresses.items():
            answer.print(f"{name.ljust(16)} {address}", soft_wrap=True)
        say("drop files into <landing>/<engagement>/…; Ctrl-C stops everything")
        running.wait()


__all__ = ["Path", "dev"]
