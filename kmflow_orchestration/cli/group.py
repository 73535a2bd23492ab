"""`kmflow group`: settings of client groups."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, answer, say, show_json, show_rows

app = typer.Typer(help="Settings of client groups.", no_args_is_help=True)

GroupArgument = Annotated[str, typer.Argument(help="Id of the group.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="YAML file with one or more groups.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Check the file, save nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over group settings from a YAML file; an unchanged group is left alone."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.config.loading import load_groups
    from kmflow_orchestration.operations.group_configuration import import_groups

    with open_context() as context:
        production = context.settings.environment == "production"
        if dry_run:
            groups = load_groups(file, production=production)
            say(f"{file}: {len(groups)} group(s), all settings good; nothing was saved")
            return
        imported = import_groups(
            file, configs=context.group_configs, author=getpass.getuser(), production=production
        )
    if as_json:
        rows = [(one.config.group_id, one.config.version, one.changed) for one in imported]
        show_json([{"group": g, "version": v, "changed": changed} for g, v, changed in rows])
        return
    for one in imported:
        verb = "saved as" if one.changed else "unchanged,"
        say(f"{one.config.group_id}: {verb} version {one.config.version}")


@app.command("list")
def list_groups(*, as_json: JsonOption = False) -> None:
    """Groups that are enabled, with where their tables and files go."""
    from kmflow_orchestration.cli.open_context import open_context

    with open_context() as context:
        configs = context.group_configs.all_active(include_disabled=True)
    if as_json:
        show_json([{"group": c.group_id, "version": c.version, "host": c.host} for c in configs])
        return
    rows = [
        (
            c.group_id,
            "enabled" if c.is_enabled else "disabled",
            c.version,
            c.host or "local",
            f"{c.catalog}.{c.schema}",
            c.volume.text,
        )
        for c in configs
    ]
    show_rows("Groups", ("group", "state", "version", "host", "schema", "Volume"), rows)


@app.command()
def show(group: GroupArgument, *, as_json: JsonOption = False) -> None:
    """One group's settings; a secret shows only where it is kept."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.config.loading import show_group, shown
    from kmflow_orchestration.errors import UnknownGroup
    from kmflow_orchestration.names import group_id

    with open_context() as context:
        config = context.group_configs.find(group_id(group))
    if config is None:
        raise UnknownGroup(f"there is no group {group!r}", hint="kmflow group list")
    if as_json:
        show_json(shown(config))
    else:
        answer.print(show_group(config), markup=False, end="")
