"""Row D17: what `kmflow convert` shows while it works, in a log and at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.operations.convert.database_of_loans import LINES, loans_database
from kmflow_orchestration_tests.operations.convert.interrupted import COMMAND


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    return loans_database(tmp_path / "in")


def test_a_log_has_a_line_for_each(loans: Path, kmflow: Kmflow) -> None:
    done = kmflow("convert", str(loans))

    assert done.code == 0, done.err
    assert [line[6:] for line in done.err.splitlines() if line[6:] in LINES] == LINES


def test_a_terminal_keeps_them_above_the_bar(loans: Path) -> None:
    ours, theirs = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "convert", str(loans)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
            "COLUMNS": "200",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 1 << 16):
            shown += more
    except OSError:
        # How Linux says that nobody writes there any more.
        pass
    os.close(ours)

    assert ran.wait(60) == 0
    text = shown.decode()
    assert "━" in text  # a bar
    assert all(line in text for line in LINES)
