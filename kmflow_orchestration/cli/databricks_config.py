"""`kmflow databricks config`: defaults in force here, and where each comes from (row D10)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows
from kmflow_orchestration.cli.volume_options import GroupOption

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_config import GroupConfig
    from kmflow_orchestration.config.settings import Settings


@with_connection_options
def config(*, connecting: Connecting, group: GroupOption = "", as_json: JsonOption = False) -> None:
    """Each value and its source: flag, environment, group, your file, or what is usual."""
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
    from kmflow_orchestration.operations.volume_conversion.mounts import databricks_environment

    settings = load_settings()
    chosen = group or settings.default_group
    found = DatabricksConfig.load_from_environment(
        connecting.config_file,
        options={"workspace_url": connecting.workspace_url, "profile": connecting.profile},
        group=_saved(chosen, is_asked_for=bool(group)) if chosen else None,
    )
    warnings = list(_warnings(settings))
    here = databricks_environment()
    if as_json:
        shown = {name: {"value": value, "source": source} for name, value, source in found.rows()}
        file = str(found.file.path or "")
        environment = None if here is None else here.as_dict()
        show_json({"values": shown, "file": file, "databricks": environment, "warnings": warnings})
    else:
        show_rows("Databricks", ("setting", "value", "source"), found.rows())
        if here is not None:
            say(f"inside Databricks: {here.told}")
    for warning in warnings:
        say(f"warning: {warning}")


def _saved(group: str, *, is_asked_for: bool) -> GroupConfig | None:
    """A group's settings; None for one that has none and is only the usual one."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.errors import GroupDisabled, UnknownGroup
    from kmflow_orchestration.names import group_id

    with open_context() as context:
        try:
            return context.group_configs.active(group_id(group))
        except GroupDisabled:
            raise
        except UnknownGroup:
            if is_asked_for:
                raise
            return None


def _warnings(settings: Settings) -> list[str]:
    from kmflow_orchestration.config.private_files import is_open_to_others
    from kmflow_orchestration.credentials.own_connection import OwnConnection
    from kmflow_orchestration.credentials.profiles import holds_credential

    path: Path = OwnConnection.of(settings).profile_path
    if is_open_to_others(path) and holds_credential(path):
        return [f"{path} holds a credential and is open to others: chmod 600 {path}"]
    return []
