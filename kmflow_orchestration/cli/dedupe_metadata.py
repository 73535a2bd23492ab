"""`kmflow dedupe-metadata`: metadata rows that are there more often than once."""

from __future__ import annotations

from typing import Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows

COLUMNS = ("id", "path", "file_name", "stored_at")


def dedupe_metadata(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    apply: Annotated[bool, typer.Option("--apply", help="Remove what is listed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List surplus metadata rows, and with --apply remove them; the earliest of each stays."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.operations.dedupe_metadata import dedupe_metadata as dedupe

    with open_context() as context:
        own = context.group(known_group(group, context.group_configs).group_id)
        done = dedupe(own.id, lakehouse=own.lakehouse, config=own.config, apply=apply)
    surplus = [{name: getattr(row, name) for name in COLUMNS} for row in done.surplus]
    if as_json:
        told = {"group": group, "rows": done.rows, "applied": apply, "surplus": surplus}
        show_json(told)
        return
    if not surplus:
        say(f"{group}: none of {done.rows} rows is there twice")
        return
    show_rows(f"Surplus rows of {group}", COLUMNS, [list(row.values()) for row in surplus])
    did = "removed" if apply else "to be removed, with --apply"
    say(f"{len(surplus)} of {done.rows} rows {did}")
