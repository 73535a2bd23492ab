"""Looking at a group's outputs, and deleting one (row A20); nothing else of a Volume is shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.outbox import Outbox
from kmflow_orchestration.outputs.places import check_own
from kmflow_orchestration.storage.output_store import OutputEntry


def list_outputs(outbox: Outbox, path: str | None = None) -> list[OutputEntry]:
    """What a folder of the group's outputs holds, by name; by default the group's own place.

    Raises:
        PlaceNotAllowed: the folder is none of the group's.
        RemoteNotFound: there is no such folder.
        AccessRefused, RemoteFault: it cannot be listed.
    """
    return outbox.store.entries(_own(outbox, path))


def browse_outputs(
    outbox: Outbox, path: str | None = None, *, limit: int = 1000
) -> list[OutputEntry]:
    """Files below a folder, however deep, by path; `limit` of them at most. As `list_outputs`."""
    return list(islice(_files(outbox, _own(outbox, path)), limit))


def delete_output(outbox: Outbox, path: str) -> bool:
    """Remove an output; False when there is no such file.

    Raises:
        PlaceNotAllowed: it is none of the group's.
        AccessRefused, RemoteFault: it cannot be removed.
    """
    place = _own(outbox, path)
    was_there = outbox.store.delete(place)
    outbox.files.forget(outbox.group, place.text)
    return was_there


def _files(outbox: Outbox, folder: VolumePath) -> Iterator[OutputEntry]:
    for entry in outbox.store.entries(folder):
        if entry.is_directory:
            yield from _files(outbox, entry.path)
        else:
            yield entry


def _own(outbox: Outbox, path: str | None) -> VolumePath:
    wanted = path or outbox.config.volume_path
    if not wanted:
        raise ConfigurationError(
            f"group {outbox.group} has no volume_path for outputs",
            fields=("volume_path",),
            hint="name the folder, or set volume_path in the group's configuration",
        )
    parsed = VolumePath.parse(wanted)
    check_own(parsed, _places(outbox), outbox.config)
    return parsed


def _places(outbox: Outbox) -> list[VolumePath]:
    """Where the group's outputs go, and where they went under other settings."""
    known = outbox.files.places(outbox.group)
    own = outbox.config.volume_path
    return [VolumePath.parse(text) for text in ([own, *known] if own else known)]
