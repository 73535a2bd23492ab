"""`kmflow engagement`: client projects inside a group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmflow_orchestration.metadata.engagements import Engagement

app = typer.Typer(help="Engagements: client projects inside a group.", no_args_is_help=True)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
_USUAL = "usual"


@app.command("list")
def list_all(*, group: GroupOption, as_json: JsonOption = False) -> None:
    """Engagements of a group, by id, with the weights of their quality scores."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group

    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        found = context.ledger.engagements(own)
    if as_json:
        show_json({"engagements": [_known(one) for one in found]})
        return
    rows = [(one.engagement_id, iso(one.registered_at)[:10], _weights(one)) for one in found]
    show_rows(f"Engagements of {group}", ("id", "since", "quality weights"), rows, whole="id")


@app.command("set")
def change(
    engagement: Annotated[str, typer.Argument(metavar="ENGAGEMENT", help="Its id.")],
    *,
    group: GroupOption,
    quality_weights: Annotated[
        str,
        typer.Option(
            metavar="WEIGHTS",
            help="completeness=A,reliability=B,freshness=C,consistency=D that add up to 1;"
            f" or {_USUAL}.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Set how the scores of an engagement's files to come are weighted."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.engagement_settings import set_quality_weights

    weights = None if quality_weights == _USUAL else _parsed(quality_weights)
    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        set_quality_weights(group, engagement, weights, caller=caller, ledger=context.ledger)
        (changed,) = (
            one for one in context.ledger.engagements(own) if one.engagement_id == engagement
        )
    if as_json:
        show_json(_known(changed))
    else:
        say(f"{engagement} of {group}: quality weights {_weights(changed)}, for files to come")


def _parsed(text: str) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name.strip() in weights:
            raise typer.BadParameter(f"{name.strip()!r} is given twice")
        try:
            weights[name.strip()] = float(number)
        except ValueError as error:
            raise typer.BadParameter(f"{part.strip()!r} is not name=number") from error
    return weights


def _known(engagement: Engagement) -> dict[str, object]:
    text = engagement.weights_json
    return {
        "id": engagement.engagement_id,
        "registered_at": iso(engagement.registered_at),
        "quality_weights": None if text is None else json.loads(text),
    }


def _weights(engagement: Engagement) -> str:
    if engagement.weights_json is None:
        return _USUAL
    return ",".join(f"{name}={it:g}" for name, it in json.loads(engagement.weights_json).items())
