"""`kmflow group create|set|disable`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json

if TYPE_CHECKING:
    from kmflow_orchestration.operations.group_settings import ChangedSettings

GroupArgument = Annotated[str, typer.Argument(help="Id of the group.")]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE", help="Settings, by their YAML names; lists with commas."),
]
HostOption = Annotated[
    list[str] | None,
    typer.Option("--allowed-host", help="A host outside Databricks' domains that is meant."),
]
VersionOption = Annotated[
    int | None,
    typer.Option("--expected-version", min=0, help="Refuse if the settings are at another one."),
]


def create(
    group: GroupArgument,
    words: Words = None,
    *,
    allowed_host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a group; every bad setting is reported at once."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.setting_words import settings_of
    from kmflow_orchestration.cli.shell_user import input_rules, operator
    from kmflow_orchestration.operations.group_settings import create_group

    values = settings_of(words or ())
    caller = operator(group)
    with open_context() as context:
        created = create_group(
            group,
            values,
            caller=caller,
            configs=context.group_configs,
            rules=input_rules(context.settings, allowed_host or ()),
        )
    _tell(created, as_json=as_json)


def change(
    group: GroupArgument,
    words: Words = None,
    *,
    expected_version: VersionOption = None,
    allowed_host: HostOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, save nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Change the named settings of a group and no other."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.setting_words import settings_of
    from kmflow_orchestration.cli.shell_user import input_rules, known_group, operator
    from kmflow_orchestration.operations.group_settings import change_settings, planned_change

    values = settings_of(words or ())
    caller = operator(group)
    with open_context() as context:
        configs = context.group_configs
        known_group(group, configs)
        rules = input_rules(context.settings, allowed_host or ())
        if dry_run:
            changed = planned_change(group, values, caller=caller, configs=configs, rules=rules)
        else:
            changed = change_settings(
                group,
                values,
                caller=caller,
                configs=configs,
                rules=rules,
                expected_version=expected_version,
            )
    _tell(changed, as_json=as_json)


def disable(
    group: GroupArgument,
    *,
    expected_version: VersionOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would happen, save nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Switch a group off: its runs fail at once, its partition key is hidden, all else stays."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.group_settings import disable_group, planned_change

    caller = operator(group)
    with open_context() as context:
        configs = context.group_configs
        known_group(group, configs)
        if dry_run:
            changed = planned_change(group, {"enabled": False}, caller=caller, configs=configs)
        else:
            changed = disable_group(
                group, caller=caller, configs=configs, expected_version=expected_version
            )
        tokens = context.api_tokens.all(changed.config.group_id)
        still_good = [one for one in tokens if one.is_good(context.clock.now())]
    _tell(changed, as_json=as_json)
    if still_good and not as_json:
        say(f"{len(still_good)} API token(s) stay good: kmflow token revoke ID --group {group}")


def _tell(changed: ChangedSettings, *, as_json: bool) -> None:
    config = changed.config
    names = ", ".join(changed.changed)
    if as_json:
        show_json(
            {
                "group": config.group_id,
                "version": config.version,
                "enabled": config.is_enabled,
                "changed": list(changed.changed),
                "saved": changed.saved,
            }
        )
    elif changed.saved:
        say(f"{changed.message}: {names or 'all settings at their defaults'}")
    elif names:
        say(f"group {config.group_id} would change: {names}; nothing was saved")
    else:
        say(f"{changed.message}: nothing to change")
