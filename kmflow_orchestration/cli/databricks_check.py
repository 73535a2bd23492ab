"""`kmflow databricks test`: can files of a Volume be read and written from here?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.connection import RetriesOption, TimeoutOption, tell, told
from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.output import JsonOption, show_json
from kmflow_orchestration.cli.volume_options import GroupOption, mounted_for, reached_group

if TYPE_CHECKING:
    from kmflow_orchestration.operations.check_connection import ConnectionCheck


@with_connection_options
def try_files(
    volume: Annotated[
        str,
        typer.Argument(metavar="[VOLUME]", help="A place in one; by itself the group's evidence."),
    ] = "",
    *,
    connecting: Connecting,
    group: GroupOption = "",
    timeout_s: TimeoutOption = 30.0,
    retries: RetriesOption = 3,
    as_json: JsonOption = False,
) -> None:
    """Try address, TLS, sign-in, catalog, schema and Volume, and write an empty file there."""
    check = _mounted(volume, group, connecting)
    if check is None:
        check = _over_the_network(volume, group, connecting, timeout_s, retries)
    if as_json:
        show_json(told(check))
    else:
        tell([check])
    if check.exit_code:
        raise typer.Exit(check.exit_code)


def _mounted(volume: str, group: str, connecting: Connecting) -> ConnectionCheck | None:
    """Inside Databricks, as for conversions; None elsewhere."""
    from kmflow_orchestration.clock import SystemClock
    from kmflow_orchestration.operations.check_volume import check_mounted
    from kmflow_orchestration.operations.volume_conversion.mounts import databricks_environment

    volumes, here = mounted_for(connecting, group), databricks_environment()
    if volumes is None or here is None:
        return None
    return check_mounted(volumes, here, volume, SystemClock())


def _over_the_network(
    volume: str, group: str, connecting: Connecting, timeout_s: float, retries: int
) -> ConnectionCheck:
    from kmflow_orchestration.databricks_client.connect import connect
    from kmflow_orchestration.databricks_client.retries import RetryPolicy
    from kmflow_orchestration.operations.check_volume import check_volume, volume_to_check

    with reached_group(group, connecting) as reached:
        rules = reached.connections.rules
        defaults = reached.defaults
        return check_volume(
            reached.places,
            volume_to_check(
                reached.places,
                volume,
                catalog=defaults.default_catalog or reached.config.catalog,
                schema=defaults.default_schema or reached.config.schema,
            ),
            connect=partial(
                connect,
                clock=reached.clock,
                http_timeout_s=timeout_s,
                retry_policy=RetryPolicy(attempts=retries),
                rules=rules,
            ),
            clock=reached.clock,
            timeout_s=timeout_s,
            tls_context=rules.tls_context,
            is_saved=reached.is_saved,
        )
