"""All commands of `kmflow`, of which a call builds only the family it names."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import typer

from kmflow_orchestration import __version__

SINGLE = {
    "demo": "demo",
    "dev": "dev",
    "provision": "provision",
    "grants": "grants",
    "backfill-metadata": "backfill_metadata",
    "dedupe-metadata": "dedupe_metadata",
    "register-tables": "register_tables",
    "inventory": "inventory",
    "doctor": "doctor",
    "backup": "backup",
    "restore": "backup",
    "stages": "stages",
    "trace": "trace",
    "convert": "convert",
    "batch-convert": "batch_convert",
    "info": "file_looks",
    "validate": "file_looks",
    "formats": "file_looks",
}
FAMILIES = {
    "group": "group",
    "engagement": "engagement",
    "dataset": "dataset",
    "evidence": "evidence",
    "rollback": "rollback",
    "tables": "tables",
    "migrate": "migrate",
    "verify": "verify",
    "files": "files",
    "quarantine": "quarantine",
    "token": "tokens",
    "config": "config",
    "output": "outputs",
    "auth": "auth",
    "secret": "secret",
    "db": "database",
    "workspace": "workspace",
    "service": "service",
    "databricks": "databricks",
}


def command_tree(first_word: str) -> Any:
    """The commands as Typer runs them: one family where the first word names it, else all.

    To read the signatures of all of them takes longer than most commands do.
    """
    return _built(first_word if first_word in {*SINGLE, *FAMILIES} else None)


@cache
def _built(only: str | None) -> Any:
    app = typer.Typer(
        name="kmflow",
        help="From a file in a landing folder to typed tables, profiles and quality scores.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_told)
    for name, module in SINGLE.items():
        if only in {None, name}:
            app.command(name)(getattr(_module(module), name.replace("-", "_")))
    for name, module in FAMILIES.items():
        if only in {None, name}:
            app.add_typer(_module(module).app, name=name)
    return typer.main.get_command(app)


def _module(name: str) -> Any:
    return import_module(f"kmflow_orchestration.cli.{name}")


# Commands about files, which take --verbose themselves; here it may stand before them.
_VERBOSE = {"verbose": True}
_VERBOSE_COMMANDS: dict[str, Any] = {
    **dict.fromkeys(("convert", "batch-convert", "info", "validate"), _VERBOSE),
    "databricks": dict.fromkeys(("convert", "batch-convert"), _VERBOSE),
    "verify": {"output": _VERBOSE},
}


def _told(
    context: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Print the version."),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Show where the conversion of a file failed."
    ),
) -> None:
    """From a file in a landing folder to typed tables, profiles and quality scores."""
    if version:
        typer.echo(f"kmflow_orchestration {__version__}")
        raise typer.Exit
    if verbose:
        context.default_map = _VERBOSE_COMMANDS
