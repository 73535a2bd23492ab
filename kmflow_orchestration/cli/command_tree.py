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


# What a list of all commands says of each; what each says of itself begins with it.
SENTENCES = {
    "demo": (
        "Two client groups from landing folders to quality scores; a second run changes nothing."
    ),
    "dev": (
        "Everything live: drop a file into a landing folder and see it arrive. Ctrl-C stops all."
    ),
    "provision": (
        "Make catalog, schemas, Volume and tables of each group; a second call makes nothing."
    ),
    "grants": "Let analysts read silver and gold, nothing else; exit 1 if they could do more.",
    "backfill-metadata": (
        "Insert metadata rows of stored files that have none; a second call inserts none."
    ),
    "dedupe-metadata": (
        "List surplus metadata rows, and with --apply remove them; the earliest of each stays."
    ),
    "register-tables": (
        "Make, tag and hand over the table of each entry; a second call changes nothing."
    ),
    "inventory": "Path, size, SHA-256 and engagement of every file below a folder, and the totals.",
    "doctor": "Check a group from its settings to its rows; each failure says what to do.",
    "backup": "Write control database and Dagster storage into one file, while everything runs.",
    "restore": (
        "Put control database and Dagster storage back, here or elsewhere; stop Dagster first."
    ),
    "stages": "Time, counts and errors of each stage that a group's batches went through.",
    "trace": (
        "Tell which file, version, sheet and row each fitting row came from, and read it "
        "there again."
    ),
    "convert": (
        "Convert a file, all of it or nothing; only Volumes and tables need a group and the "
        "database."
    ),
    "batch-convert": (
        "Convert a folder's files; one that fails stops no other, and exit 1 tells of it."
    ),
    "info": "Size, hash, format, tables with exact row counts, columns and types of a file.",
    "validate": "Whether each file's own reader takes it; exit 0 only if all are sound.",
    "formats": (
        "Formats that are read, what each becomes, its options, and what is missing to read it."
    ),
    "group": "Settings of client groups.",
    "engagement": "Engagements: client projects inside a group.",
    "dataset": "Dataset tables, and corrections of how files become them.",
    "evidence": "Evidence items of a group.",
    "rollback": "The way back from Databricks.",
    "tables": "Care of a group's Delta tables.",
    "migrate": "Evidence into a group's Volume, and back.",
    "verify": "Whether everything is where it should be.",
    "files": "Files of a group's landing folder.",
    "quarantine": "Files, items and rows that were kept back.",
    "token": "API tokens of groups.",
    "config": "What is in force, and where it comes from.",
    "output": "Outputs of tasks in a group's Volumes.",
    "auth": "How a process or a group signs in.",
    "secret": "Secrets as ciphertext for settings.",
    "db": "The control database.",
    "workspace": "The embedded Databricks workspace.",
    "service": "The web service that jobs report to.",
    "databricks": "Convert files of Unity Catalog Volumes, or into them; sign in, and try that.",
}


def command_tree(first_word: str) -> Any:
    """The commands as Typer runs them: one family where the first word names it, else all.

    To read the signatures of all of them takes longer than most commands do.
    """
    return _built(first_word if first_word in {*SINGLE, *FAMILIES} else None)


@cache
def command_list() -> Any:
    """The commands by name and sentence, and none of them to run: for who names none."""
    app = _bare()
    for name, sentence in SENTENCES.items():
        app.command(name, help=sentence)(_not_run)
    return typer.main.get_command(app)


@cache
def _built(only: str | None) -> Any:
    app = _bare()
    for name, module in SINGLE.items():
        if only in {None, name}:
            app.command(name)(getattr(_module(module), name.replace("-", "_")))
    for name, module in FAMILIES.items():
        if only in {None, name}:
            app.add_typer(_module(module).app, name=name)
    return typer.main.get_command(app)


def _bare() -> typer.Typer:
    app = typer.Typer(
        name="kmflow",
        help="From a file in a landing folder to typed tables, profiles and quality scores.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_told)
    return app


def _not_run() -> None:
    raise NotImplementedError("a command of the list is named, not run")


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
