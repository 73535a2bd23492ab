"""A private folder beside the result, in which it is made whole before anybody sees it (D4, D5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from kmflow_orchestration.errors import FileTooLargeError
from kmflow_orchestration.operations.convert.layout import Layout

PREFIX = ".kmflow-convert-"
_ROOM = 2
_STALE_S = 24 * 3600
_HINT = "make room, or name an OUTPUT on another disk"


@contextmanager
def work_folder(
    beside: Path, source_bytes: int, now: datetime, *, hint: str = _HINT
) -> Iterator[Path]:
    """An empty folder that only its owner sees, gone at the end, however it comes.

    Raises:
        FileTooLargeError: the disk has no room for twice the source.
        OSError: nothing can be made there.
    """
    made = [one for one in (beside, *beside.parents) if not one.exists()]
    beside.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(beside).free
    if free < _ROOM * source_bytes:
        raise FileTooLargeError(
            f"{beside} has {free} bytes free, and {_ROOM * source_bytes} may be needed",
            hint=hint,
        )
    sweep(beside, now)
    folder = beside / f"{PREFIX}{uuid4().hex}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for empty in made:
            # A fault leaves no folder that was not there before.
            if any(empty.iterdir()):
                break
            empty.rmdir()


def sweep(beside: Path, now: datetime) -> None:
    """Remove what a killed conversion of this user left a day ago or earlier."""
    for left in beside.glob(f"{PREFIX}*"):
        try:
            status = left.lstat()
        except FileNotFoundError:
            continue
        if status.st_uid == os.getuid() and now.timestamp() - status.st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def put_in_place(work: Path, layout: Layout, manifest: str) -> None:
    """Move finished files from `work` to where they belong, the manifest last.

    What stands there is replaced; of a folder the new one takes the place at once. Raises OSError,
    and then what stood there before stands again.
    """
    if layout.folder is not None:
        made = work / layout.folder.name
        (made / layout.manifest.name).write_text(manifest, encoding="utf-8")
        _swap(made, layout.folder, work / "replaced")
        return
    written = work / layout.manifest.name
    written.write_text(manifest, encoding="utf-8")
    with _restored_on_fault((layout.manifest, *layout.files), work):
        # An old manifest must not speak for new files.
        layout.manifest.unlink(missing_ok=True)
        for file in layout.files:
            (work / file.name).replace(file)
        written.replace(layout.manifest)


def _swap(made: Path, folder: Path, aside: Path) -> None:
    had = folder.exists()
    if had:
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        if had:
            aside.rename(folder)
        raise


@contextmanager
def _restored_on_fault(places: tuple[Path, ...], work: Path) -> Iterator[None]:
    """On a fault what was replaced gets its old content back, and what was new is gone."""
    old = {}
    for at, place in enumerate(places):
        if place.exists():
            old[place] = work / f"old-{at}"
            _link(place, old[place])
    try:
        yield
    except OSError:
        for place in places:
            if place in old:
                old[place].replace(place)
            else:
                place.unlink(missing_ok=True)
        raise


def _link(place: Path, copy: Path) -> None:
    try:
        copy.hardlink_to(place)
    except OSError:
        # Not every file system has links.
        shutil.copy2(place, copy)
