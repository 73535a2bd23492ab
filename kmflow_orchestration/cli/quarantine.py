"""`kmflow quarantine`: what was kept back, trying it again, and accepting it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.conversion_options import with_reader_options
from kmflow_orchestration.cli.given_password import (
    PasswordEnvOption,
    PasswordStdinOption,
    password_reference,
)
from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.quarantine_records import HeldBack
    from kmflow_orchestration.operations.quarantine import Accepted, Retry
    from kmflow_orchestration.operations.quarantine_details import HeldDetails

app = typer.Typer(help="Files, items and rows that were kept back.", no_args_is_help=True)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
CodeOption = Annotated[str | None, typer.Option("--code", help="Only those of this code.")]
_ITEM = "An item's id or a landing path, as `list` shows them."


@app.command("list")
def list_all(
    *,
    group: GroupOption,
    engagement: Annotated[
        str | None, typer.Option("--engagement", help="Only those of this engagement.")
    ] = None,
    code: CodeOption = None,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Also those that somebody accepted.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Entries at most.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """What waits for a person: refused files, items that could not be converted, rejected rows."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.quarantine import list_quarantine

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        found = list_quarantine(
            own,
            caller=caller,
            engagement=engagement,
            code=code,
            accepted=accepted,
            limit=limit,
            **context.group(own).listing_quarantine(),
        )
    if as_json:
        entries = [_told(one) for one in found.entries]
        shown = {"group": group, "total": found.total, "counts": found.counts}
        show_json({**shown, "entries": entries})
        return
    columns = ("item", "kind", "code", "path", "received", "why")
    rows = [
        (
            one.subject,
            f"{one.kind}" if one.is_open else f"{one.kind}, accepted",
            one.code,
            one.path,
            one.received_on,
            one.message,
        )
        for one in found.entries
    ]
    show_rows(f"Quarantine of {group}", columns, rows)
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    say(f"{found.total} in all: {counts}" if found.total else "nothing waits in quarantine")
    if found.total > len(found.entries):
        say(f"{found.total - len(found.entries)} more: --limit shows them")


@app.command()
def show(
    item: Annotated[str, typer.Argument(metavar="ITEM", help=_ITEM)],
    *,
    group: GroupOption,
    as_json: JsonOption = False,
) -> None:
    """Why something is kept back, the bytes or the line it fails at, and how to mend it."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.quarantine_details import show_quarantined

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        arguments = context.group(own).showing_quarantined()
        found = show_quarantined(own, item, caller=caller, **arguments)
    if as_json:
        show_json({"group": group, "held_back": [_details(one) for one in found]})
        return
    for one in found:
        show_rows(f"In quarantine: {one.entry.path}", ("what", ""), list(_facts(one).items()))


@app.command()
@with_reader_options
def retry(
    items: Annotated[list[str] | None, typer.Argument(metavar="ITEM...", help=_ITEM)] = None,
    *,
    group: GroupOption,
    given: Mapping[str, Any],
    everything: Annotated[bool, typer.Option("--all", help="All that waits.")] = False,
    code: CodeOption = None,
    password_env: PasswordEnvOption = None,
    password_stdin: PasswordStdinOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be tried again, change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have the next run try it again; options of readers are remembered for these items.

    Other items are not converted again. What is refused once more comes back here. Of a password
    is remembered the variable's name, which runs must know, too; from standard input, what it is
    under KMFLOW_FERNET_KEY.
    """
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.quarantine import retry_quarantined

    caller = operator(group)
    password = password_reference(password_env, from_stdin=password_stdin)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        done = retry_quarantined(
            own,
            items or (),
            caller=caller,
            everything=everything,
            code=code,
            options=given,
            password=password,
            dry_run=dry_run,
            **context.group(own).retrying_quarantined(),
        )
    if as_json:
        show_json(_retried(group, done))
        return
    _tell_retry(done)


@app.command()
def accept(
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help=_ITEM)],
    *,
    group: GroupOption,
    reason: Annotated[str, typer.Option("--reason", help="Why it is fine as it is.")],
    as_json: JsonOption = False,
) -> None:
    """Say that these are fine as they are: they wait no longer; `retry` undoes it."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.quarantine import accept_quarantined

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        arguments = context.group(own).accepting_quarantined()
        done = accept_quarantined(own, items, reason, caller=caller, **arguments)
    if as_json:
        accepted = [_told(one) for one in done.accepted]
        show_json({"group": group, "accepted": accepted, "unchanged": list(done.unchanged)})
        return
    _tell_accepted(done)


def _told(one: HeldBack) -> dict[str, object]:
    return {**asdict(one), "subject": one.subject, "is_open": one.is_open}


def _details(one: HeldDetails) -> dict[str, object]:
    return {**asdict(one), "entry": _told(one.entry)}


def _facts(one: HeldDetails) -> dict[str, object]:
    entry, place = one.entry, one.place
    by = f"{one.rule} [{one.setting}]" if one.setting else one.rule
    said = entry.acceptance
    facts: dict[str, object] = {
        "kind": entry.kind,
        "item": entry.item_id,
        "code": entry.code,
        "why": entry.message,
        "rule": by,
        "bytes": entry.size_bytes if entry.size_bytes >= 0 else "",
        "received on": entry.received_on,
        "since (UTC)": iso(entry.since),
        "tried": f"{entry.attempts} times" if entry.attempts else "",
        "next try (UTC)": iso(entry.retry_at) if entry.retry_at else "",
        "there": f"{place.kind} {place.number}: {place.hexadecimal} {place.text}" if place else "",
        **{
            f"rows of {part.part or part.table}": f"{part.rejected} of {part.read} left out"
            for part in one.parts
        },
        "not looked into": one.problem,
        "accepted": f"by {said.accepted_by} at {iso(said.accepted_at)}: {said.reason}"
        if said
        else "",
        "how to mend it": one.how,
    }
    return {name: value for name, value in facts.items() if value != ""}


def _retried(group: str, done: Retry) -> dict[str, object]:
    return {
        "group": group,
        "tried": [_told(one) for one in done.tried],
        "corrected": [one.subject for one in done.corrected],
        "options": done.options,
        "unchanged": list(done.unchanged),
        "dry_run": done.is_dry_run,
    }


def _tell_retry(done: Retry) -> None:
    from kmflow_orchestration.metadata.quarantine_records import Held

    would = "would be " if done.is_dry_run else ""
    for one in done.tried:
        # The same reading would leave the same rows out.
        deed = "put back here" if one.kind is Held.ROWS and not done.options else "tried again"
        say(f"{would}{deed}: {one.path} ({one.code})")
    if done.options:
        told = ", ".join(f"{name} {value}" for name, value in done.options.items())
        word = "would be" if done.is_dry_run else "is"
        say(f"{told}: {word} remembered for {len(done.corrected)} item(s)")
    _tell_unchanged(done.unchanged)
    if not done.tried:
        say("nothing is tried again")
    elif not done.is_dry_run:
        say("the next tick asks for a run: kmflow quarantine list tells what is refused once more")


def _tell_accepted(done: Accepted) -> None:
    for one in done.accepted:
        say(f"accepted: {one.path} ({one.code})")
    _tell_unchanged(done.unchanged)


def _tell_unchanged(names: tuple[str, ...]) -> None:
    for name in names:
        complain(f"{name} does not wait in quarantine: nothing was changed")
