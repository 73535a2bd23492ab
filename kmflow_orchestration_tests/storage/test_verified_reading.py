"""A file is handed out to its last byte only if it is what its hash says; hashed twice or not."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake.source_tree import hash_and_state, walk
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.unchanged_files import FileState, nobody_writes, settled_state
from kmflow_orchestration.storage.verified_reading import VerifiedFile
from kmflow_orchestration_tests.evidence_samples import evidence_file

CONTENT = b"0123456789" * 1000


@pytest.fixture
def file(tmp_path: Path) -> EvidenceFile:
    """A file that was hashed long after it was last written."""
    found = evidence_file(tmp_path, "a.bin", CONTENT)
    state = state_of(found.source)
    assert state is not None
    return replace(found, state=state)


def state_of(source: Path, *, later_s: float = 60) -> FileState | None:
    with source.open("rb") as stream:
        return settled_state(stream.fileno(), datetime.now(UTC) + timedelta(seconds=later_s))


def read(file: EvidenceFile, *, between: Callable[[], object] = lambda: None) -> bytes:
    """All of it, in two steps with something between them."""
    with VerifiedFile(file) as stream:
        first = stream.read(5000)
        between()
        return first + stream.read()


def overwrite(file: EvidenceFile, at: int, content: bytes) -> None:
    """As a program does that wants nobody to see it: size and time of the last write stay."""
    before = file.source.stat()
    with file.source.open("r+b") as stream:
        stream.seek(at)
        stream.write(content)
    os.utime(file.source, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_did_not_change_is_not_hashed_again(file: EvidenceFile) -> None:
    """Another hash would be refused if anybody looked."""
    assert read(replace(file, content_hash="0" * 64)) == CONTENT


@pytest.mark.parametrize("at", [0, 4999, 5000, 9999])
def test_a_change_before_it_is_read_is_found(file: EvidenceFile, at: int) -> None:
    overwrite(file, at, b"x")

    with pytest.raises(QuarantinedFile, match="changed"):
        read(file)


@pytest.mark.parametrize("at", [0, 9999])
def test_a_change_while_it_is_read_is_found(file: EvidenceFile, at: int) -> None:
    with pytest.raises(QuarantinedFile, match="changed"):
        read(file, between=lambda: overwrite(file, at, b"x"))


def test_a_file_in_its_place_is_not_taken_for_it(file: EvidenceFile) -> None:
    other = file.source.with_name("other")
    other.write_bytes(CONTENT[::-1])
    before = file.source.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file.source)

    with pytest.raises(QuarantinedFile, match="changed"):
        read(file)


def test_a_touched_file_is_hashed_again_and_found_right(file: EvidenceFile) -> None:
    os.utime(file.source)

    assert read(file) == CONTENT
    with pytest.raises(QuarantinedFile, match="changed"):
        read(replace(file, content_hash="0" * 64))


def test_while_somebody_may_write_a_file_is_hashed_again(file: EvidenceFile) -> None:
    with file.source.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as mapped:
        stream.close()
        assert read(file) == CONTENT
        mapped[0:1] = b"x"
        with pytest.raises(QuarantinedFile, match="changed"):
            read(file)


def test_a_writer_who_comes_while_it_is_read_is_found(file: EvidenceFile) -> None:
    """Whether it wrote, the system may not know yet."""
    opened = []
    with pytest.raises(QuarantinedFile, match="changed"):
        read(file, between=lambda: opened.append(file.source.open("r+b")))
    opened[0].close()


@pytest.mark.parametrize("later_s", [-60, 0, 1])
def test_a_file_just_written_could_be_written_again_unseen(tmp_path: Path, later_s: int) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(CONTENT)

    assert state_of(source, later_s=later_s) is None
    assert state_of(source, later_s=3) is not None


def test_whoever_opens_a_file_meanwhile_neither_waits_nor_harms_us(file: EvidenceFile) -> None:
    """The system tells a process that has a lease of a writer by a signal, which ends most."""
    until = time.monotonic() + 0.5

    def write() -> None:
        while time.monotonic() < until:
            with file.source.open("r+b"):
                pass

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    with file.source.open("rb") as stream:
        while time.monotonic() < until:
            nobody_writes(stream.fileno())
    for writer in writers:
        writer.join(10)
        assert not writer.is_alive()


def test_a_tree_that_is_moved_tells_the_state_with_the_hash(tmp_path: Path) -> None:
    source = tmp_path / "e1" / "a.bin"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    [found] = walk(tmp_path).files
    later = datetime.now(UTC) + timedelta(seconds=60)

    assert hash_and_state(found, later)[1] == state_of(source)
    assert hash_and_state(found, None)[1] is None
