"""`kmflow files why`: what became of a landing file, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.operations.explain_file import Explanation, FileStep, FileStory

app = typer.Typer(help="Files of a group's landing folder.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """Files of a group's landing folder."""


@app.command()
def why(
    asked: Annotated[
        str,
        typer.Argument(metavar="PATH|HASH", help="A path in landing, or a content's SHA-256."),
    ],
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    as_json: JsonOption = False,
) -> None:
    """Tell each version of a file, what was decided and why, and what would happen now."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.explain_file import explain_file

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        found = explain_file(own, asked, caller=caller, **context.group(own).explaining())
    if as_json:
        show_json({"group": group, "asked": asked, **_told(found)})
    else:
        _tell(found)
    if not found.stories:
        raise typer.Exit(1)


def _told(found: Explanation) -> dict[str, object]:
    return {
        "left_out": found.left_out,
        "paths": [{**asdict(story), "was_seen": story.was_seen} for story in found.stories],
    }


def _tell(found: Explanation) -> None:
    if not found.stories:
        say(f"no file of {found.group} ever had this content")
    for story in found.stories:
        _tell_story(story)
    if found.left_out:
        say(f"{found.left_out} more path(s) have this content")


def _tell_story(story: FileStory) -> None:
    if not story.was_seen:
        say(f"{story.path} was never seen")
    else:
        columns = ("seen (UTC)", "decision", "bytes", "SHA-256", "why", "item now", "run", "rows")
        title = f"{story.path}: {story.state or 'not in landing any more'}"
        show_rows(title, columns, [_row(step) for step in story.steps])
    now = story.outlook
    by = "; ".join(part for part in (now.rule, now.setting and f"setting {now.setting}") if part)
    say(f"now: {now.verdict}: {now.reason}" + (f" ({by})" if by else ""))


def _row(step: FileStep) -> tuple[object, ...]:
    why = step.message or step.rule
    return (
        iso(step.at),
        f"{step.decision} {step.code}".strip(),
        step.size_bytes,
        step.content_hash[:12],
        f"{why} [{step.setting}]" if step.setting else why,
        step.state,
        step.run or step.batch_id[:8],
        ", ".join(f"{table}: {rows}" for table, rows in step.tables),
    )
