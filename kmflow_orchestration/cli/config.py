"""`kmflow config`: what is in force, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, show_json, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.config.effective import EffectiveValue

app = typer.Typer(help="What is in force, and where it comes from.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """What is in force, and where it comes from."""


@app.command()
def show(
    *,
    group: Annotated[str | None, typer.Option(help="Also the settings of this group.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every setting with its source; a secret only as `set (env:NAME)`."""
    from kmflow_orchestration.config.effective import group_values, process_values
    from kmflow_orchestration.config.settings import load_settings

    settings = load_settings()
    found = {"process": process_values(settings)}
    if group is not None:
        from kmflow_orchestration.cli.open_context import open_context
        from kmflow_orchestration.cli.shell_user import known_group

        with open_context() as context:
            config = known_group(group, context.group_configs)
        found[f"group {config.group_id}"] = group_values(config, settings)
    if as_json:
        show_json({part: _by_name(values) for part, values in found.items()})
        return
    for part, values in found.items():
        rows = [(one.name, _cell(one.value), one.source) for one in values]
        show_rows(part, ("setting", "value", "source"), rows)


def _by_name(values: Sequence[EffectiveValue]) -> dict[str, object]:
    return {one.name: {"value": one.value, "source": one.source} for one in values}


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else value
