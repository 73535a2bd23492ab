"""A command on a real terminal, and somebody who answers what it asks."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROWS, COLUMNS = 24, 100
_LONGEST_S = 60.0


def on_a_terminal(
    command: Sequence[str], folder: Path, answers: Sequence[str] = ()
) -> tuple[int, str]:
    """Exit code and all that was shown; each answer is given when something ends in `: `.

    Nobody is left waiting: without an answer left, or after 90 seconds, the command is killed.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    # With a session of its own there is no other terminal that it could ask.
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown, left, ends = b"", list(answers), time.monotonic() + _LONGEST_S
    try:
        while time.monotonic() < ends:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                more = os.read(ours, 1 << 16)
            except OSError:
                break
            shown += more
            if shown.endswith(b": "):
                os.write(ours, f"{left.pop(0)}\n".encode())
        return process.wait(timeout=10), shown.decode()
    finally:
        process.kill()
        process.wait(timeout=10)
        os.close(ours)
