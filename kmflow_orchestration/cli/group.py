"""`kmflow group`: settings of client groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli import connection, group_changes, group_files
from kmflow_orchestration.cli.group_changes import GroupArgument
from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows, show_text

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_config import GroupConfig

app = typer.Typer(help="Settings of client groups.", no_args_is_help=True)

app.command("create")(group_changes.create)
app.command("set")(group_changes.change)
app.command("disable")(group_changes.disable)
app.command("import")(group_files.import_file)
app.command("export")(group_files.export)
app.command("check")(connection.check_group)
app.command("discover")(connection.discover)


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
        say("there is no group yet: kmflow group create GROUP, or kmflow group import FILE")
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
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.config.exporting import show_group
    from kmflow_orchestration.config.group_values import shown

    with open_context() as context:
        config = known_group(group, context.group_configs)
    if as_json:
        show_json(shown(config))
    else:
        show_text(show_group(config))


@app.command()
def history(
    group: GroupArgument,
    *,
    audit: Annotated[
        bool, typer.Option("--audit", help="Every deed, and every one that was refused.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Versions of a group's settings, newest first: when, by whom, and what changed."""
    from kmflow_orchestration.cli.group_history import show_deeds, show_versions
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.group_settings import audit_trail, settings_history

    caller = operator(group)
    with open_context() as context:
        configs = context.group_configs
        if audit:
            # Also of a group that never came to be: its attempts are in the trail.
            deeds = audit_trail(group, caller=caller, audit=context.config_audit)
        else:
            known_group(group, configs)
            versions = settings_history(group, caller=caller, configs=configs)
    if audit:
        show_deeds(group, deeds, as_json=as_json)
    else:
        show_versions(group, versions, as_json=as_json)
