"""`kmflow group import|export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_text

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_input import GroupInput
    from kmflow_orchestration.config.settings import Settings
    from kmflow_orchestration.operations.group_configuration import ImportedGroup, PlannedGroup


def import_file(
    file: Annotated[Path | None, typer.Argument(help="YAML file with one or more groups.")] = None,
    *,
    database: Annotated[
        str,
        typer.Option(
            help="Instead of a file: the database of the system to take over from, as "
            "sqlite:///path, env:NAME or file:PATH."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, save nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over group settings; an unchanged group is left alone."""
    from kmflow_orchestration.config.settings import load_settings

    if (file is None) is not bool(database):
        raise typer.BadParameter("name a FILE, or a --database", param_hint="FILE")
    settings = load_settings()
    if dry_run:
        _tell_plan(_plan(_read(file, database, settings), settings), as_json=as_json)
    else:
        _tell_imported(_import(file, database, settings), as_json=as_json)


def _import(file: Path | None, database: str, settings: Settings) -> list[ImportedGroup]:
    from kmflow_orchestration.access.process_user import operator_name
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.operations.group_configuration import import_groups, import_inputs

    author = operator_name()
    with open_context() as context:
        configs = context.group_configs
        if file is not None:
            return import_groups(
                file,
                configs=configs,
                author=author,
                production=settings.production,
                allowed_hosts=settings.allowed_hosts,
            )
        inputs = _read(None, database, settings)
        return import_inputs(inputs, configs=configs, author=author)


def _read(file: Path | None, database: str, settings: Settings) -> list[GroupInput]:
    from kmflow_orchestration.cli.shell_user import input_rules
    from kmflow_orchestration.config.loading import load_groups
    from kmflow_orchestration.operations.peer_import import find_peer_groups

    if file is not None:
        return load_groups(
            file, production=settings.production, allowed_hosts=settings.allowed_hosts
        )
    found = find_peer_groups(database, rules=input_rules(settings))
    if found.without_group:
        say(f"{found.without_group} row(s) of no group were left out")
    say("tokens are not taken over: kmflow group set GROUP token=env:NAME")
    return found.inputs


def _plan(inputs: Sequence[GroupInput], settings: Settings) -> list[PlannedGroup]:
    """A check must not make a control database: one that is missing, or empty, knows no groups."""
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.metadata.revision import is_there
    from kmflow_orchestration.operations.group_configuration import plan_import

    if not is_there(settings.control_database_url):
        return plan_import(inputs, ())
    with Context(settings) as context:
        if not context.has_tables():
            return plan_import(inputs, ())
        return plan_import(inputs, context.group_configs.all_active(include_disabled=True))


def _tell_plan(planned: Sequence[PlannedGroup], *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "groups": [
                    {
                        "group": one.values.group_id,
                        "action": one.verb,
                        "settings": list(one.changed) if one.before is not None else [],
                        "changed": False,
                    }
                    for one in planned
                ]
            }
        )
        return
    for one in planned:
        names = f": {', '.join(one.changed)}" if one.before is not None and one.changed else ""
        say(f"{one.values.group_id}: would {one.verb}{names}")
    say(f"{len(planned)} group(s), all settings good; nothing was saved")


def _tell_imported(imported: Sequence[ImportedGroup], *, as_json: bool) -> None:
    if as_json:
        rows = [(one.config.group_id, one.config.version, one.changed) for one in imported]
        show_json({"groups": [{"group": g, "version": v, "changed": c} for g, v, c in rows]})
        return
    for one in imported:
        verb = "saved as" if one.changed else "unchanged,"
        say(f"{one.config.group_id}: {verb} version {one.config.version}")


def export(
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="GROUP", help="Ids; all groups without any.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print groups as YAML that an import takes back; references to secrets, never secrets."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.config.exporting import as_yaml, exported

    with open_context() as context:
        configs = context.group_configs
        chosen = (
            [known_group(name, configs) for name in groups]
            if groups
            else configs.all_active(include_disabled=True)
        )
    document = exported(chosen)
    if as_json:
        show_json(document)
    else:
        show_text(as_yaml(document))
