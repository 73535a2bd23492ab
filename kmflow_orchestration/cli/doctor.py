"""`kmflow doctor`: sixteen checks of a group, each with what it found and what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmflow_orchestration.doctor.findings import Diagnosis


def doctor(
    *,
    group: Annotated[str | None, typer.Option(help="Only this group (default: all).")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--check", help="Only this check and what it needs; may be repeated."),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Make what is missing, as `kmflow provision` does.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end in exit code 1.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a group from its settings to its rows; each failure says what to do."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.doctor.diagnose import diagnose
    from kmflow_orchestration.doctor.findings import gravest

    with open_context() as context:
        configs = context.group_configs
        known = [known_group(group, configs)] if group else configs.all_active()
        patients = [context.group(config.group_id).patient for config in known]
        found = [diagnose(one, fix=fix, only=only or ()) for one in patients]
    if as_json:
        show_json({"groups": {one.group: _told(one, strict=strict) for one in found}})
    else:
        _tell(found)
    code = gravest(one.exit_code(strict=strict) for one in found)
    if code:
        raise typer.Exit(code)


def _told(found: Diagnosis, *, strict: bool) -> dict[str, Any]:
    return {
        "exit_code": found.exit_code(strict=strict),
        "checks": [asdict(one) for one in found.checks],
        "made": [asdict(one) for one in found.made],
    }


def _tell(found: Sequence[Diagnosis]) -> None:
    if not found:
        say("there is no group yet: kmflow group import FILE")
    for one in found:
        if one.made:
            rows = [(made.object, made.kind, made.action, made.message) for made in one.made]
            show_rows(f"{one.group}: made", ("object", "kind", "action", "message"), rows)
        checks = [(check.number, check.id, check.status, check.evidence) for check in one.checks]
        show_rows(one.group, ("", "check", "status", "found"), checks)
        for check in (*one.with_status("fail"), *one.with_status("warn")):
            complain(f"{one.group}: {check.id}: {check.status}: {check.evidence}", hint=check.fix)
