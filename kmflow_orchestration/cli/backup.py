"""`kmflow backup` and `kmflow restore`: what cannot be made again, in one file and back."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json

if TYPE_CHECKING:
    from kmflow_orchestration.backup.make import Places
    from kmflow_orchestration.backup.restore import Restored


def backup(
    *,
    to: Annotated[Path, typer.Option("--to", help="The file to write; it must not be there.")],
    as_json: JsonOption = False,
) -> None:
    """Write control database and Dagster storage into one file, while everything runs."""
    from kmflow_orchestration.backup.make import back_up
    from kmflow_orchestration.clock import SystemClock

    manifest = back_up(to, _places(), clock=SystemClock())
    if as_json:
        show_json({"file": str(to), **asdict(manifest)})
        return
    say(
        f"{to}: {len(manifest.members)} file(s), {manifest.size_bytes} bytes, at revision "
        f"{manifest.revision}; keys, .env, evidence and lakehouse are not in it"
    )


def restore(
    *,
    source: Annotated[Path, typer.Option("--from", help="A file that `kmflow backup` wrote.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file, tell what would go where.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move aside what is there already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put control database and Dagster storage back, here or elsewhere; stop Dagster first."""
    from kmflow_orchestration.backup.restore import restore as put_back
    from kmflow_orchestration.clock import SystemClock

    found = put_back(source, _places(), clock=SystemClock(), dry_run=dry_run, overwrite=overwrite)
    if as_json:
        show_json(
            {
                "made_at": found.manifest.made_at,
                "revision": found.manifest.revision,
                "places": list(found.places),
                "kept": [str(path) for path in found.kept],
                "dry_run": found.is_dry_run,
            }
        )
    else:
        _tell(found)


def _tell(found: Restored) -> None:
    verb = "would go to" if found.is_dry_run else "is in"
    say(f"the backup of {found.manifest.made_at} {verb} {' and '.join(found.places)}")
    for path in found.kept:
        say(f"what was there is now {path}")
    if not found.is_dry_run:
        say("give this machine the same .env and keys, then: kmflow doctor")


def _places() -> Places:
    from kmflow_orchestration.backup.make import Places
    from kmflow_orchestration.config.settings import load_settings

    settings = load_settings()
    dagster = os.environ.get("DAGSTER_HOME") or settings.home / "dagster"
    return Places(settings, Path(dagster).resolve())
