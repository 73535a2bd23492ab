"""A conversion as a process of its own that is interrupted while it works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

COMMAND = "from kmflow_orchestration.cli.main import run; run()"


def interrupted(words: list[str], folder: Path, out: Path, number: int) -> tuple[int, str]:
    """Exit code and standard error of `kmflow`, sent a signal once it works in `out`."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        until = time.monotonic() + 60
        while not list(out.glob(".kmflow-convert-*")) and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    return child.returncode, err
