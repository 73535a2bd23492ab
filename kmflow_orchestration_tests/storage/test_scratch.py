from __future__ import annotations

import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from kmflow_orchestration.storage.scratch import ScratchFolder
from kmflow_orchestration_tests.operations.kills.watching import kill_self


def work_until_killed(parent: Path) -> None:
    (ScratchFolder(parent).path / "evidence.csv").write_text("id\n1\n")
    kill_self()


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = get_context("spawn").Process(target=work_until_killed, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert list(tmp_path.rglob("evidence.csv"))

    scratch = ScratchFolder(tmp_path)

    assert list(scratch.path.iterdir()) == []
    assert {path.stem for path in tmp_path.iterdir()} == {scratch.path.name}


def test_folders_that_are_in_use_stay(tmp_path: Path) -> None:
    first = ScratchFolder(tmp_path)
    (first.path / "evidence.csv").write_text("id\n1\n")

    second = ScratchFolder(tmp_path)

    assert first.path != second.path
    assert (first.path / "evidence.csv").exists()
    first.close()
    second.close()


def test_a_closed_folder_leaves_nothing(tmp_path: Path) -> None:
    scratch = ScratchFolder(tmp_path / "work" / "acme")
    (scratch.path / "evidence.csv").write_text("id\n1\n")

    scratch.close()
    scratch.close()

    assert list((tmp_path / "work" / "acme").iterdir()) == []
