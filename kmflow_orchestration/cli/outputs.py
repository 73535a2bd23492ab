"""`kmflow output`: what tasks of a group left in its Volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.operations.outbox import Outbox
    from kmflow_orchestration.operations.retry_outputs import RetriedOutput
    from kmflow_orchestration.storage.output_store import OutputEntry

app = typer.Typer(help="Outputs of tasks in a group's Volumes.", no_args_is_help=True)

GroupOption = Annotated[str, typer.Option(help="Id of the group.")]
PathArgument = Annotated[
    str | None, typer.Argument(help="/Volumes/… path (default: the group's own place).")
]
COLUMNS = ("path", "name", "is_directory", "file_size", "last_modified")


@app.command("list")
def list_folder(
    path: PathArgument = None, *, group: GroupOption, as_json: JsonOption = False
) -> None:
    """What one folder of the group's outputs holds."""
    from kmflow_orchestration.operations.browse_outputs import list_outputs

    with _outbox(group) as outbox:
        _tell(outbox, list_outputs(outbox, path), as_json=as_json)


@app.command()
def browse(
    path: PathArgument = None,
    *,
    group: GroupOption,
    limit: Annotated[int, typer.Option(min=1, help="Files at most.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Every file below a folder, with where to look at it."""
    from kmflow_orchestration.operations.browse_outputs import browse_outputs

    with _outbox(group) as outbox:
        _tell(outbox, browse_outputs(outbox, path, limit=limit), as_json=as_json, viewed=True)


@app.command()
def delete(
    path: Annotated[str, typer.Argument(help="/Volumes/… path of one file.")],
    *,
    group: GroupOption,
    as_json: JsonOption = False,
) -> None:
    """Remove one output; a file that is not there is told, and no error."""
    from kmflow_orchestration.operations.browse_outputs import delete_output

    with _outbox(group) as outbox:
        deleted = delete_output(outbox, path)
    if as_json:
        show_json({"path": path, "deleted": deleted})
    else:
        say(f"{path}: {'deleted' if deleted else 'there was no such file'}")


@app.command()
def retry(
    *,
    group: GroupOption,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Only this failed upload; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload again what failed; exit code 1 if any failed again."""
    from kmflow_orchestration.operations.retry_outputs import retry_outputs

    with _outbox(group) as outbox:
        retried = retry_outputs(outbox, ids or (), tell=say)
    _tell_retried(group, retried, as_json=as_json)
    if not all(one.arrived for one in retried):
        raise typer.Exit(1)


@contextmanager
def _outbox(group: str) -> Iterator[Outbox]:
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.names import group_id

    wanted = group_id(group)
    with open_context() as context:
        yield context.group(wanted).outbox


def _tell(
    outbox: Outbox, entries: Sequence[OutputEntry], *, as_json: bool, viewed: bool = False
) -> None:
    columns = (*COLUMNS, "view") if viewed else COLUMNS
    rows = [dict(zip(columns, _row(outbox, entry, viewed), strict=True)) for entry in entries]
    if as_json:
        show_json({"group": outbox.group, "outputs": rows})
    elif not rows:
        say("there is nothing")
    else:
        show_rows(f"Outputs of {outbox.group}", columns, [list(row.values()) for row in rows])


def _row(outbox: Outbox, entry: OutputEntry, viewed: bool) -> list[object]:
    from kmflow_orchestration.clock import iso

    modified = None if entry.last_modified is None else iso(entry.last_modified)
    row = [entry.path.text, entry.name, entry.is_directory, entry.size_bytes, modified]
    return [*row, outbox.store.view(entry.path)] if viewed else row


def _tell_retried(group: str, retried: Sequence[RetriedOutput], *, as_json: bool) -> None:
    rows = [
        {
            "id": one.failure_id,
            "path": one.path,
            "file_size": one.size_bytes,
            "arrived": one.arrived,
            "problem": one.problem,
        }
        for one in retried
    ]
    if as_json:
        show_json({"group": group, "retried": rows})
    elif not rows:
        say(f"group {group} has no failed upload")
    else:
        show_rows(
            f"Uploads of {group}, tried again", list(rows[0]), [list(r.values()) for r in rows]
        )
