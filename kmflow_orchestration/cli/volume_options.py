"""Volumes in commands about files: for which group, how large a file, and whose client (row D2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.errors import MissingGroup
from kmflow_orchestration.names import is_elsewhere

if TYPE_CHECKING:
    from kmflow_orchestration.operations.volume_conversion.volumes import Volumes

GroupOption = Annotated[
    str,
    typer.Option("--group", help="Whose Volumes /Volumes/… paths are; else KMFLOW_DEFAULT_GROUP."),
]
MaxSizeOption = Annotated[
    int | None,
    typer.Option("--max-size-mb", min=1, help="Largest file from or to a Volume.  [default: 1000]"),
]
CheckOption = Annotated[
    bool, typer.Option("--check/--no-check", help="Try first whether the Volume may be written.")
]
VolumePathOption = Annotated[
    bool,
    typer.Option(
        "--volume-path", help="Without effect: paths of Volumes are known by their beginning."
    ),
]


@contextmanager
def open_volumes(
    *texts: str | None, group: str, max_size_mb: int | None
) -> Iterator[Volumes | None]:
    """The Volumes that one of these paths may lie in; None where all are of this machine.

    Raises:
        UnsafePath: a text that is neither; before settings or network are looked at.
        MissingGroup: nobody says whose they are.
    """
    if not any(text is not None and is_elsewhere(text) for text in texts):
        yield None
        return
    from kmflow_orchestration.operations.volume_conversion.mounts import mounted_volumes

    for text in texts:
        _check_form(text)
    mounted = mounted_volumes(max_size_mb=max_size_mb)
    if mounted is not None and not group:
        yield mounted
        return
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.names import group_id

    with open_context() as context:
        chosen = group or context.settings.default_group
        if not chosen:
            raise MissingGroup(
                "a path in a Volume needs a group, whose settings say how to get there",
                hint="--group ID, or KMFLOW_DEFAULT_GROUP",
            )
        yield context.group(group_id(chosen)).volumes(max_size_mb=max_size_mb)


def _check_form(text: str | None) -> None:
    from kmflow_orchestration.names import VolumePath

    if text is not None and is_elsewhere(text):
        # Whatever catalog it is completed from, its form is right or wrong.
        VolumePath.given(text, catalog="c", schema="s")
