"""`kmflow dev`: workspace, service, Dagster webserver and daemon as one process group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.demo import BackendOption, DemoBackend, DirOption
from kmflow_orchestration.cli.output import answer, say

if TYPE_CHECKING:
    from kmflow_orchestration.demo.development import Development


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
    from kmflow_orchestration.demo.development import Development, stoppable
    from kmflow_orchestration.demo.home import Home

    home = Home.at(directory or load_settings().home)
    with stoppable() as interruption:
        development = Development(
            home, backend.value, interruption, port=port, with_evidence=with_evidence
        )
        try:
            say("starting (about twenty seconds)")
            with development as running:
                _tell(running)
                running.wait()
        except KeyboardInterrupt:
            say("stopped")


def _tell(running: Development) -> None:
    for name, address in running.addresses.items():
        answer.print(f"{name.ljust(16)} {address}", soft_wrap=True)
    say("drop files into <landing>/<engagement>/…; Ctrl-C stops everything")


__all__ = ["Path", "dev"]
