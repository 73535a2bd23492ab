"""Where an output lies below its group's place (row A12, settlement AB-S1).

<place>/<execution>/<YYYY>/<MM>/<DD>/<task>.<format>
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.resolve import ResolvedUpload

SEGMENT_LENGTH = 128
"""Characters of an execution's folder and of a file's name, its extension included."""

_NOT_KEPT = re.compile(r"[^A-Za-z0-9_-]")
_MARK_DIGITS = 8
_MARKED = re.compile(rf"-[0-9a-f]{{{_MARK_DIGITS}}}\Z")


@dataclass(frozen=True, slots=True)
class Execution:
    """The run that an output belongs to.

    `moment` is the start of its time partition, else of the run: never the time of the upload, so
    that a step tried again writes to the same place.
    """

    run_id: str
    moment: datetime
    name: str = ""
    """What a person called it, so that its next run overwrites; '' takes the run's id."""


def output_path(
    resolved: ResolvedUpload, execution: Execution, task_key: str, *, written_at: datetime
) -> VolumePath:
    """The file of a task's output.

    `written_at` plays a part only in the name of a timestamped file.

    Raises:
        UnsafePath: the execution or the task has no name.
    """
    folders = [segment(execution.name or execution.run_id)]
    if resolved.create_date_dirs:
        folders += execution.moment.astimezone(UTC).strftime("%Y/%m/%d").split("/")
    tail = f".{resolved.file_format}"
    if resolved.filename_mode == "timestamped":
        tail = f"_{_stamp(written_at)}_{_short(execution.run_id)}{tail}"
    return resolved.checked_place.joined(*folders, segment(task_key, tail=tail))


def segment(name: str, *, tail: str = "") -> str:
    """A name as one part of a path, followed by `tail`; different names give different parts.

    ASCII letters, digits, `-` and `_` stay; anything else becomes `_`. A name that changes, is too
    long, or ends like a mark itself gets a mark: `-` and the first 8 hex digits of its SHA-256.

    Raises:
        UnsafePath: an empty or blank name.
    """
    if not name.strip():
        raise UnsafePath("an execution or task without a name has no place")
    cleaned = _NOT_KEPT.sub("_", name)
    room = SEGMENT_LENGTH - len(tail)
    if cleaned == name and len(name) <= room and not _MARKED.search(name):
        return name + tail
    return cleaned[: room - _MARK_DIGITS - 1] + _mark(name) + tail


def _mark(name: str) -> str:
    return "-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_DIGITS]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")


def _short(run_id: str) -> str:
    return _NOT_KEPT.sub("_", run_id)[:8]
