"""`kmflow dataset`: corrections of how files become tables, remembered and replayed (row G18)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.conversion_options import with_reader_options
from kmflow_orchestration.cli.dataset_drift import drift
from kmflow_orchestration.cli.dataset_readings import readings
from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.correction_records import Correction
    from kmflow_orchestration.operations.correct_datasets import Corrected
    from kmflow_orchestration.operations.published_datasets import PublishedDatasets

app = typer.Typer(help="Dataset tables, and corrections of how files become them.")
app.command("drift")(drift)
app.command("readings")(readings)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
EngagementOption = Annotated[
    str, typer.Option("--engagement", help="Id of the engagement; a table tells its own.")
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Tell what would be converted again, change nothing."),
]


@app.command("set")
@with_reader_options
def change(
    target: Annotated[
        str, typer.Argument(metavar="[TABLE|TABLE.COLUMN]", help="What it is about.")
    ] = "",
    *,
    group: GroupOption,
    engagement: EngagementOption = "",
    files: Annotated[
        str,
        typer.Option(
            metavar="GLOB", help="Files instead: 'loans_*.csv', or 'old/*' below the engagement."
        ),
    ] = "",
    item: Annotated[str, typer.Option(metavar="ID", help="One evidence item instead.")] = "",
    type_word: Annotated[
        str,
        typer.Option(
            "--type",
            help="Type of the column: text, integer, decimal, double, date, timestamp, boolean.",
        ),
    ] = "",
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="The dataset that --files belong to.")
    ] = "",
    ignore: Annotated[
        str, typer.Option(metavar="GLOB", help="Files whose rows stay out of dataset tables.")
    ] = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    given: dict[str, Any],
) -> None:
    """Correct how files are read, for files to come and for those that came."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.convert.option_table import BY_NAME
    from kmflow_orchestration.operations.correct_datasets import correct_datasets
    from kmflow_orchestration.operations.correction_requests import CorrectionRequest

    request = CorrectionRequest(
        engagement=engagement,
        target=target,
        files=files,
        ignore=ignore,
        item_id=item,
        type_word=type_word,
        dataset=dataset,
        options={
            name: value
            for name, value in given.items()
            if value is not None and value != BY_NAME[name].default
        },
    )
    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        made = correct_datasets(
            own, request, caller=caller, dry_run=dry_run, **context.group(own).correcting()
        )
    _answer(group, made, as_json=as_json)


@app.command()
def unset(
    numbers: Annotated[
        list[int], typer.Argument(metavar="NUMBER…", help="As `corrections` lists them.")
    ],
    *,
    group: GroupOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take corrections back; what they were about is converted again without them."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.correct_datasets import withdraw_corrections

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        made = withdraw_corrections(
            own, numbers, caller=caller, dry_run=dry_run, **context.group(own).withdrawing()
        )
    _answer(group, made, as_json=as_json)


@app.command()
def corrections(
    *,
    group: GroupOption,
    engagement: EngagementOption = "",
    as_json: JsonOption = False,
) -> None:
    """Corrections that hold, with by whom and since when."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.correct_datasets import list_corrections
    from kmflow_orchestration.operations.correction_plans import correction_facts

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        found = list_corrections(
            own, caller=caller, corrections=context.corrections, engagement=engagement or None
        )
    if as_json:
        show_json({"group": group, "corrections": [correction_facts(one) for one in found]})
        return
    columns = ("number", "engagement", "about", "correction", "by", "since (UTC)")
    show_rows(f"Corrections of {group}", columns, map(_row, found), whole="number")


@app.command()
def replay(*, group: GroupOption, as_json: JsonOption = False) -> None:
    """Convert again now what corrections are about; else the next runs of their days do."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.publish_datasets import publish_datasets
    from kmflow_orchestration.operations.replay_datasets import replay_datasets

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        publish = partial(publish_datasets, own, **context.group(own).converting())
        done = replay_datasets(own, caller=caller, corrections=context.corrections, publish=publish)
    if as_json:
        show_json({"group": group, "days": [_day(one) for one in done]})
        return
    for one in done:
        facts = _day(one)
        say(
            f"{one.day}: {one.converted} files converted, {one.ignored} left out,"
            f" {len(one.quarantined)} refused; tables: {', '.join(facts['tables']) or 'none'}"
        )
    if not done:
        say(f"{group}: nothing is to be converted again")


def _answer(group: str, made: Corrected, *, as_json: bool) -> None:
    if as_json:
        files = [
            {"item": one.item_id, "path": one.landing_path, "tables": list(one.tables)}
            for one in made.affected
        ]
        changes = [
            {
                "engagement": one.engagement_id,
                "scope": one.scope.value,
                "target": one.target,
                "name": one.name,
                "value": one.value,
            }
            for one in made.changes
        ]
        show_json(
            {
                "group": group,
                "dry_run": made.is_dry_run,
                "changed": made.is_new and not made.is_dry_run,
                "corrections": changes,
                "files": files,
                "tables": list(made.tables),
                "copies": list(made.copies),
            }
        )
        return
    if not made.is_new:
        say("it was so before; nothing was changed")
        return
    if made.copies:
        say(
            f"{len(made.copies)} more path(s) hold the same content, which has rows once: they"
            f" are out of tables, too: {', '.join(made.copies[:5])}"
        )
    count = len(made.affected)
    if made.is_dry_run:
        rows = [(one.landing_path, ", ".join(one.tables)) for one in made.affected]
        show_rows(f"{count} file(s) would be converted again", ("file", "tables now"), rows)
        return
    after = (
        f"{count} file(s) are converted again by the next runs of their days, or now:"
        f" kmflow dataset replay --group {group}"
    )
    say(f"remembered; {after if count else 'no file that came is converted otherwise by it'}")


def _row(one: Correction) -> tuple[object, ...]:
    from kmflow_orchestration.operations.correction_plans import value_shown

    said = one.name if one.value is True else f"{one.name} {value_shown(one)}"
    about = f"{one.scope.value} {one.target}"
    return (one.number, one.engagement_id, about, said, one.set_by, iso(one.set_at))


def _day(one: PublishedDatasets) -> dict[str, Any]:
    return {
        "day": one.day.isoformat(),
        "files": one.converted,
        "ignored": one.ignored,
        "quarantined": [f"{it.file_name}: {it.code}" for it in one.quarantined],
        "rows": one.rows_written,
        "tables": [table.name for table in one.tables],
        "warnings": [f"{it.file_name}: {it.warning.message}" for it in one.warnings],
    }
