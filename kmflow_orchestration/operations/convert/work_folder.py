"""A private folder beside the result, in which it is made whole before anybody sees it (D4, D5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
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
    beside: Path, source_bytes: int, now: datetime, key: str = "", *, hint: str = _HINT
) -> Iterator[Path]:
    """An empty folder that only its owner sees, gone at the end, however it comes.

    By its `key`, one of its own by default, another process finds it should this one be killed.

    Raises:
        FileTooLargeError: the disk has no room for twice the source.
        OSError: nothing can be made there.
    """
    key = key or uuid4().hex
    with nothing_left(beside, key):
        beside.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(beside).free
        if free < _ROOM * source_bytes:
            raise FileTooLargeError(
                f"{beside} has {free} bytes free, and {_ROOM * source_bytes} may be needed",
                hint=hint,
            )
        sweep(beside, now)
        folder = beside / f"{PREFIX}{key}"
        folder.mkdir(mode=0o700)
        yield folder


@contextmanager
def nothing_left(beside: Path, key: str, contained: Path | None = None) -> Iterator[None]:
    """At its end a work folder is gone, and so are folders it was made in that hold nothing.

    Those of the files inside the source lie at any depth of the folder `contained`.
    """
    made = [one for one in (beside, *beside.parents) if not one.exists()]
    try:
        yield
    finally:
        remove_left(beside, key, contained)
        for empty in made:
            # A fault leaves no folder that was not there before.
            if not empty.is_dir() or any(empty.iterdir()):
                break
            empty.rmdir()


def remove_left(beside: Path, key: str, contained: Path | None = None) -> None:
    """Remove what somebody who was killed left in the work folders of that key."""
    shutil.rmtree(beside / f"{PREFIX}{key}", ignore_errors=True)
    if contained is None or contained.is_symlink():
        return
    for left in list(contained.rglob(f"{PREFIX}{key}*")):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def sweep(beside: Path, now: datetime) -> None:
    """Remove what a killed conversion of this user left a day ago or earlier."""
    for left in beside.glob(f"{PREFIX}*"):
        try:
            status = left.lstat()
        except FileNotFoundError:
            continue
        if status.st_uid == os.getuid() and now.timestamp() - status.st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def put_in_place(
    work: Path, layout: Layout, manifest: str, outdated: Collection[Path] = ()
) -> None:
    """Move finished files from `work` to where they belong, the manifest last.

    Extras that are `outdated` are gone afterwards, unless there are new ones. What stands there
    is replaced; of a folder the new one takes the place at once. Whatever is raised, OSError or
    Ctrl-C: what stood there before stands again.
    """
    if layout.folder is not None:
        made = work / layout.folder.name
        (made / layout.manifest.name).write_text(manifest, encoding="utf-8")
        _swap(made, layout.folder, work / "replaced")
        return
    written = work / layout.manifest.name
    written.write_text(manifest, encoding="utf-8")
    with _restored_on_fault((layout.manifest, *layout.files, *layout.extras), work):
        # An old manifest must not speak for new files.
        layout.manifest.unlink(missing_ok=True)
        for file in layout.files:
            (work / file.name).replace(file)
        for file in layout.extras:
            if file in outdated:
                file.unlink(missing_ok=True)
            if (work / file.name).exists():
                (work / file.name).replace(file)
        written.replace(layout.manifest)


def _swap(made: Path, folder: Path, aside: Path) -> None:
    had = folder.exists()
    if had:
        folder.rename(aside)
    try:
        made.rename(folder)
    except BaseException:
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
    except BaseException:
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
