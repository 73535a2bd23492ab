"""`kmflow evidence download`: an item's bytes into a file, whole and checked, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json


def download(
    record_id: Annotated[str, typer.Argument(metavar="RECORD_ID", help="The id `list` shows.")],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="File or folder; by default the file's name, here."),
    ] = None,
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch an item's stored file from whatever backend it is in; the audit trail keeps who did."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.progress import byte_progress
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.download_evidence import open_download, save_download
    from kmflow_orchestration.operations.read_evidence import find_evidence

    caller = operator(group)
    with open_context() as context:
        own = context.group(known_group(group, context.group_configs).group_id)
        item = find_evidence(own.id, record_id, caller=caller, **own.reading_evidence())
        target = _target(out, item.file_name, force=force)
        opened = open_download(own.id, record_id, caller=caller, **own.downloading())
        try:
            with byte_progress(item.file_name, item.size_bytes) as told:
                save_download(opened, target, on_bytes=told)
        finally:
            opened.close()
    if as_json:
        show_json(
            {
                "id": item.item_id,
                "file": str(target),
                "size_bytes": item.size_bytes,
                "sha256": item.content_hash,
                "backend": item.backend,
            }
        )
    else:
        say(f"{target}: {item.size_bytes} bytes, SHA-256 {item.content_hash} as stored")


def _target(out: Path | None, file_name: str, *, force: bool) -> Path:
    """Where to write. Raises BadParameter: something is there, or its folder is not."""
    target = Path(file_name) if out is None else out / file_name if out.is_dir() else out
    if target.is_dir():
        raise typer.BadParameter(f"{target} is a folder", param_hint="OUT")
    if not target.parent.is_dir():
        raise typer.BadParameter(f"{target.parent} is no folder", param_hint="OUT")
    if not force and (target.exists() or target.is_symlink()):
        raise typer.BadParameter(
            f"{target} is there already; --force replaces it", param_hint="OUT"
        )
    return target
