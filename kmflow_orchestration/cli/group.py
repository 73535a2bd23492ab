"""`kmflow group`: settings of client groups."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows, show_text

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_config import GroupConfig

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
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.operations.group_configuration import import_groups

    settings = load_settings()
    production = settings.environment == "production"
    if dry_run:
        # Nothing is opened either: a check must not make a control database.
        groups = load_groups(file, production=production)
        _tell_checked(file, [one.group_id for one in groups], as_json=as_json)
        return
    with open_context() as context:
        imported = import_groups(
            file, configs=context.group_configs, author=getpass.getuser(), production=production
        )
    if as_json:
        rows = [(one.config.group_id, one.config.version, one.changed) for one in imported]
        show_json({"groups": [{"group": g, "version": v, "changed": c} for g, v, c in rows]})
        return
    for one in imported:
        verb = "saved as" if one.changed else "unchanged,"
        say(f"{one.config.group_id}: {verb} version {one.config.version}")


def _tell_checked(file: Path, groups: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        show_json({"groups": [{"group": group, "changed": False} for group in groups]})
    else:
        say(f"{file}: {len(groups)} group(s), all settings good; nothing was saved")


@app.command("list")
def list_groups(*, as_json: JsonOption = False) -> None:
    """All groups, with where their tables and files go."""
    from kmflow_orchestration.cli.open_context import open_context

    with open_context() as context:
        configs = context.group_configs.all_active(include_disabled=True)
    if as_json:
        show_json({"groups": [_in_short(config) for config in configs]})
        return
    if not configs:
        say("there is no group yet: kmflow group import FILE")
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


def _in_short(config: GroupConfig) -> dict[str, object]:
    return {
        "group": config.group_id,
        "version": config.version,
        "enabled": config.is_enabled,
        "host": config.host,
        "schema": f"{config.catalog}.{config.schema}",
        "volume": config.volume.text,
    }


@app.command()
def show(group: GroupArgument, *, as_json: JsonOption = False) -> None:
    """One group's settings; a secret shows only where it is kept."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.config.exporting import show_group
    from kmflow_orchestration.config.group_values import shown
    from kmflow_orchestration.errors import UnknownGroup
    from kmflow_orchestration.names import group_id

    wanted = group_id(group)
    with open_context() as context:
        config = context.group_configs.find(wanted)
    if config is None:
        raise UnknownGroup(f"there is no group {group!r}", hint="kmflow group list")
    if as_json:
        show_json(shown(config))
    else:
        show_text(show_group(config))
