"""Volumes in commands about files: for which group, how large a file, and whose client (row D2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.connection_options import NOT_CONNECTING, Connecting
from kmflow_orchestration.cli.output import say
from kmflow_orchestration.errors import InvalidOptions, MissingGroup
from kmflow_orchestration.names import is_elsewhere

if TYPE_CHECKING:
    from kmflow_orchestration.context.reaching import ReachedGroup
    from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
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
    *texts: str | None,
    group: str,
    max_size_mb: int | None,
    connecting: Connecting = NOT_CONNECTING,
    quiet: bool = False,
) -> Iterator[Volumes | None]:
    """The Volumes that one of these paths may lie in; None where all are of this machine.

    A group is signed in to as its settings say, or as `connecting` does. Flags without effect are
    told, unless it is to be `quiet`.

    Raises:
        UnsafePath: a text that is neither; before settings or network are looked at.
        MissingGroup: nobody says whose they are.
    """
    if not any(text is not None and is_elsewhere(text) for text in texts):
        if not quiet:
            tell_without_effect(group, connecting)
        yield None
        return
    for text in texts:
        _check_form(text)
    mounted = mounted_for(connecting, group, max_size_mb=max_size_mb)
    if mounted is not None:
        yield mounted
        return
    with reached_group(group, connecting) as reached:
        yield reached.volumes(max_size_mb=max_size_mb)


def tell_without_effect(group: str, connecting: Connecting) -> None:
    """Warn whoever says how to get to a workspace that nobody goes there.

    A warning and no refusal: what is done is the same, and scripts give one set of flags always.
    """
    given = (*(("--group",) if group else ()), *connecting.given)
    if given:
        verb = "has" if len(given) == 1 else "have"
        say(f"warning: {', '.join(given)} {verb} no effect, as all files are of this machine")


def check_places_of_tables(output: str | None, *, is_table: bool, **others: bool) -> None:
    """Raises InvalidOptions where somebody who wants a table asks for what is for files alone."""
    asked = [f"--{name.replace('_', '-')}" for name, is_given in others.items() if is_given]
    asked += [] if output is None else [f"OUTPUT {output}"]
    if is_table and asked:
        raise InvalidOptions(
            f"{asked[0]} is for files, and --format delta makes a table", hint="leave it out"
        )


@contextmanager
def open_tables(
    source: str, *, group: str, max_size_mb: int | None, connecting: Connecting = NOT_CONNECTING
) -> Iterator[GroupTables]:
    """The tables of a group, for what is made of a source here or in its Volumes.

    Raises:
        UnsafePath: the source is neither; before settings or network are looked at.
        MissingGroup: nobody says whose they are.
    """
    _check_form(source)
    with reached_group(group, connecting) as reached:
        yield reached.tables(max_size_mb=max_size_mb)


def mounted_for(
    connecting: Connecting, group: str, *, max_size_mb: int | None = None
) -> Volumes | None:
    """Volumes as this cluster mounts them; None where there are none, or a group is asked for."""
    from kmflow_orchestration.operations.volume_conversion.mounts import mounted_volumes

    mounted = mounted_volumes(max_size_mb=max_size_mb)
    if mounted is None or group or connecting.is_given:
        return None
    from kmflow_orchestration.credentials.databricks_config import DatabricksConfig

    usual = DatabricksConfig.load_from_environment(connecting.config_file)
    return replace(mounted, catalog=usual.default_catalog, schema=usual.default_schema)


@contextmanager
def reached_group(group: str, connecting: Connecting) -> Iterator[ReachedGroup]:
    """The group a call is for, and how it gets to its workspace.

    Raises:
        MissingGroup: nobody says which.
        ConfigurationError: as `reach_group`.
    """
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.names import group_id

    with open_context() as context:
        chosen = group or context.settings.default_group
        if not chosen:
            raise MissingGroup(
                "what lies in a workspace needs a group, whose settings say how to get there",
                hint="--group ID, or KMFLOW_DEFAULT_GROUP",
            )
        yield context.reach(
            group_id(chosen),
            sign_in=connecting.sign_in(production=context.settings.production),
            config_file=connecting.config_file,
        )


def _check_form(text: str | None) -> None:
    from kmflow_orchestration.names import VolumePath

    if text is not None and is_elsewhere(text):
        # Whatever catalog it is completed from, its form is right or wrong.
        VolumePath.given(text, catalog="c", schema="s")
