"""One file into Parquet, CSV, JSON lines or text where source, result or both lie in a Volume."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import InvalidOptions, UnsafePath
from kmflow_orchestration.names import VolumePath, is_volume_text
from kmflow_orchestration.operations.convert.contained_files import EXTRACT, convert_whole
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Progress, Tell
from kmflow_orchestration.operations.convert.source_reading import checked_source
from kmflow_orchestration.operations.volume_conversion.access_checks import check_access
from kmflow_orchestration.operations.volume_conversion.delivery import (
    Delivery,
    delivery_of,
)
from kmflow_orchestration.operations.volume_conversion.fetching import fetch, size_of
from kmflow_orchestration.operations.volume_conversion.volumes import (
    WRITE,
    Place,
    Volumes,
    naming_grants,
)
from kmflow_orchestration.outputs.places import within

OUT = "out"
_MARK, _MARK_DIGITS = "local-", 16
Run = Callable[..., dict[str, Any]]


def convert_volume_file(
    source: str,
    output: str | None = None,
    options: ConversionOptions | None = None,
    *,
    volumes: Volumes,
    run: Run = convert_whole,
    tell: Tell | None = None,
    dry_run: bool = False,
    check: bool = False,
    password: Secret | None = None,
) -> dict[str, Any]:
    """Convert one file; without `output` the result lies beside it, in its Volume.

    The work is done on copies, by `run`, which is called as `convert_whole` and gives what it does.
    A fault leaves what was there before, and nothing
    else. With `check`, and no dry run, it is tried beforehand whether the result may be
    written.

    Raises:
        InvalidOptions: what is attached should be taken out, and the result goes to a Volume; or
            a schema lock is asked for.
        UnsafePath, PlaceNotAllowed, GroupMismatch: a place the group may not use.
        VolumeNotFoundError, FileTooLargeError, StorageUnavailable, AccessRefused, RemoteFault: as
            `fetch` and `Delivery.carry_out`.
        DatabricksConversionError: or one of its kinds, as `convert_file`.
    """
    chosen, progress = options or ConversionOptions(), Progress(tell)
    refuse_lock(chosen)
    origin = volumes.source(source)
    goal = volumes.target(output) if output is not None else origin.parent
    if isinstance(goal, VolumePath):
        refuse_extraction(chosen)
        # Its name is not known yet, but whether anything may go there.
        volumes.check_target(goal)
    size = source_size(volumes, origin)
    if check and not dry_run and isinstance(goal, VolumePath):
        check_access(volumes, goal)
    is_file = isinstance(goal, VolumePath) and _names_file(volumes, output or "/", goal)
    folder = goal.parent if is_file else goal
    with volumes.work(size) as work:
        made = work / OUT
        # Beside the result, if it is: then the one is never named as the other.
        kept_in = made if _is_same(origin.parent, folder) else work / "in"
        copy = copied(volumes, origin, size, kept_in, progress)
        settings: dict[str, Any] = {
            "tell": all_but_the_end(progress),
            "dry_run": dry_run,
            "password": password,
            "recorded_source": recorded(origin),
        }
        if isinstance(folder, Path):
            done = run(copy, output, chosen, **settings)
            return {**done, "source": str(origin)}
        done = run(copy, made / goal.name if is_file else f"{made}/", chosen, **settings)
        delivery = delivery_of(
            volumes,
            [Path(one) for one in done["outputs"]],
            made,
            folder,
            source=origin if isinstance(origin, VolumePath) else None,
            force=chosen.force,
        )
        if dry_run:
            delivery.check()
        else:
            delivery.carry_out(work, progress)
        progress.at("clean", 1, 1, "files", copy.name)
        return delivered(done, delivery, origin)


def refuse_lock(options: ConversionOptions) -> None:
    """Raises InvalidOptions if results were to keep to a schema lock: files here alone can."""
    if options.is_locking:
        raise InvalidOptions(
            "--on-drift and --schema-lock are for files of this machine, not for those in Volumes",
            hint="convert a local copy, or leave them out",
        )


def refuse_extraction(options: ConversionOptions) -> None:
    """What is attached would not go along into a Volume. Raises InvalidOptions if it should."""
    if options.reader.get(EXTRACT):
        raise InvalidOptions(
            "what is attached cannot be taken out into a Volume",
            hint="name an OUTPUT on this machine",
        )


def recorded(origin: Place) -> str:
    """How a manifest in a Volume calls a source.

    One of this machine by its name and a mark of where it lies, which tells files of one name apart
    and says nothing of the machine.
    """
    if isinstance(origin, VolumePath):
        return origin.text
    mark = hashlib.sha256(os.fsencode(origin.resolve())).hexdigest()[:_MARK_DIGITS]
    return f"{_MARK}{mark}/{origin.name}"


def source_of(made: object, told: str, given: str | None) -> str:
    """Where the source of a result lies: as somebody says now, or as was `recorded` of it.

    Raises:
        InvalidOptions: nobody says, and what was recorded is true of one machine alone.
    """
    if given:
        return given
    if is_volume_text(told):
        return told
    raise InvalidOptions(
        f"{PurePosixPath(told).name}, which {made} was made of, lay on one machine",
        hint="name it with --source",
    )


def delivered(done: Mapping[str, Any], delivery: Delivery, origin: Place) -> dict[str, Any]:
    """What a conversion told, by the places where its parts lie now."""
    return {
        **done,
        "source": str(origin),
        "outputs": list(delivery.outputs),
        "manifest_path": delivery.manifest.place.text,
    }


def source_size(volumes: Volumes, origin: Place) -> int:
    """Bytes of a source. Raises as `size_of`, `checked_source` and `Volumes.check_size`."""
    if isinstance(origin, VolumePath):
        return size_of(volumes, origin)
    size = checked_source(origin).path.stat().st_size
    volumes.check_size(str(origin), size)
    return size


def copied(
    volumes: Volumes, origin: Place, size_bytes: int, folder: Path, progress: Progress
) -> Path:
    """A source as a file of this machine: itself, or a copy in a new folder. As `fetch`."""
    if isinstance(origin, Path):
        return origin
    folder.mkdir()
    return fetch(volumes, origin, size_bytes, folder, progress)


def _names_file(volumes: Volumes, output: str, goal: VolumePath) -> bool:
    """As on this machine: without a suffix, or with / at its end, it is a folder.

    Raises:
        UnsafePath: there is a file where it says that a folder goes.
    """
    if output.endswith("/") or not Path(goal.name).suffix:
        with naming_grants(goal, WRITE):
            if goal.parts and volumes.access.size(goal) is not None:
                raise UnsafePath(f"{goal.text} is a file, and a folder is needed there")
        return False
    with naming_grants(goal, WRITE):
        return not volumes.access.is_directory(goal)


def _is_same(one: Place, other: Place) -> bool:
    if isinstance(one, VolumePath) and isinstance(other, VolumePath):
        return within(one, other) and within(other, one)
    return False


def all_but_the_end(progress: Progress) -> Tell:
    """Hears of a conversion that is not the whole of what is done."""

    def told(stage: str, done: int, total: int, unit: str, message: str) -> None:
        if stage != "clean":
            progress.at(stage, done, total, unit, message)

    return told
