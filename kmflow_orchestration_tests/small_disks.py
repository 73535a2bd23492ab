"""Disks that are full or may only be read: real ones where a test may mount.

Else a limit on this process's files stands for the one, and folder rights for the other.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SMALL_BYTES = 1 << 20
_LARGE_BYTES = 64 << 20
_LIMIT_S = 30


@dataclass(slots=True)
class SmallDisk:
    """A folder that holds little; `is_real` says that it does so for all files together."""

    folder: Path
    is_real: bool

    def grow(self) -> None:
        """Somebody makes room."""
        if self.is_real:
            _mount(self.folder, f"remount,size={_LARGE_BYTES}")
        else:
            _limit(_hard_limit())

    def fill(self, *, but_bytes: int = 0) -> None:
        """Leave so much room; only a real disk can: else the test is skipped."""
        if not self.is_real:
            pytest.skip("no right to mount a disk here")
        filler = self.folder / "filler"
        status = os.statvfs(self.folder)
        with filler.open("wb") as stream:
            stream.write(b"\0" * (status.f_bavail * status.f_frsize - but_bytes))

    def free(self) -> None:
        """Take away what filled it."""
        (self.folder / "filler").unlink()


@contextmanager
def small_disk(folder: Path, size_bytes: int = SMALL_BYTES) -> Iterator[SmallDisk]:
    """Make an empty folder a small disk of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and _mount(folder, f"size={size_bytes}"):
        try:
            yield SmallDisk(folder, is_real=True)
        finally:
            # Lazily: a reader that is still open keeps nobody waiting.
            assert _done("umount", "-l", str(folder))
        return
    before, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    _limit(size_bytes)
    try:
        yield SmallDisk(folder, is_real=False)
    finally:
        _limit(before)


@contextmanager
def only_readable(folder: Path) -> Iterator[None]:
    """Nobody may write below a folder, root neither."""
    if os.geteuid() != 0:
        folders = [folder, *(one for one in folder.rglob("*") if one.is_dir())]
        for one in folders:
            one.chmod(0o555)
        try:
            yield
        finally:
            for one in folders:
                one.chmod(0o755)
        return
    if not _done("mount", "--bind", str(folder), str(folder)):
        pytest.skip("no right to mount here, and root may write wherever it likes")
    try:
        assert _done("mount", "-o", "remount,ro,bind", str(folder))
        yield
    finally:
        assert _done("umount", "-l", str(folder))


def _mount(folder: Path, options: str) -> bool:
    return _done("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))


def _done(*command: str) -> bool:
    done = subprocess.run(command, check=False, capture_output=True, timeout=_LIMIT_S)
    return done.returncode == 0


def _hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def _limit(size_bytes: int) -> None:
    """Larger files cannot be written by this process; Python has switched the signal off."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, _hard_limit()))
