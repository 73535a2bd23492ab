"""A job task as a process: wheels unzipped, child started, logs kept, end observed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kmflow_orchestration.workspace import task_child
from kmflow_orchestration.workspace.job_records import TaskOutput

LOG_BYTES = 5 * 1024 * 1024
"""What Databricks keeps of a task's standard streams: the last five megabytes."""
_POLL_S = 0.02
_EXIT_GRACE_S = 10.0
"""Seconds a child has for its exit handlers once its entry point is over."""


class UnusableWheel(Exception):
    """A file that is no wheel."""


@dataclass(frozen=True, slots=True)
class TaskCommand:
    """What to run: wheels on disk, entry point, arguments, environment, a folder of its own."""

    wheels: Sequence[Path]
    package_name: str
    entry_point: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How the child ended; `interrupted` means that we ended it."""

    succeeded: bool
    interrupted: bool
    output: TaskOutput


def run_task(command: TaskCommand, interrupted: Callable[[], bool]) -> TaskEnd:
    """Run a task to its end, or until `interrupted()` says so; the folder is removed.

    Raises:
        UnusableWheel: a wheel cannot be unzipped.
    """
    command.folder.mkdir(parents=True)
    try:
        path = _unzipped(command)
        return _Child(command, path).wait(interrupted)
    finally:
        shutil.rmtree(command.folder, ignore_errors=True)


def _unzipped(command: TaskCommand) -> list[str]:
    path = []
    for number, wheel in enumerate(command.wheels):
        target = command.folder / "wheels" / str(number)
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)
        except (zipfile.BadZipFile, OSError) as error:
            raise UnusableWheel(f"{wheel.name}: {error}") from error
        path += [str(target), *map(str, target.glob("*.data/p*lib"))]
    return path


class _Child:
    """The running child."""

    def __init__(self, command: TaskCommand, path: list[str]) -> None:
        self._result = command.folder / "result.json"
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = self._started(command, path, lifeline)
        finally:
            os.close(lifeline)
        self._log = _Tail(self._process.stdout)

    def _started(
        self, command: TaskCommand, path: list[str], lifeline: int
    ) -> subprocess.Popen[bytes]:
        work, task = command.folder / "work", command.folder / "task.json"
        (work / "tmp").mkdir(parents=True)
        description = {
            "lifeline": lifeline,
            "path": path,
            "package_name": command.package_name,
            "entry_point": command.entry_point,
            "arguments": list(command.arguments),
            "result": str(self._result),
        }
        task.write_text(json.dumps(description), encoding="utf-8")
        return subprocess.Popen(  # noqa: S603 - running the user's wheel is what a job is
            # -P: the folder of our script must not come before the wheel on sys.path
            [sys.executable, "-P", task_child.__file__, str(task)],
            cwd=work,
            env=_environment(command.environment, work, path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline,),
            start_new_session=True,
        )

    def wait(self, interrupted: Callable[[], bool]) -> TaskEnd:
        stopped = False
        try:
            while not (stopped or self._over()):
                stopped = interrupted()
            if not stopped:
                self._exit()
        finally:
            self._end_group()
        return self._end(stopped)

    def _over(self) -> bool:
        """Whether the entry point returned or the process is gone, after a short wait."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_POLL_S)
            return True
        return self._result.exists()

    def _exit(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_GRACE_S)

    def _end_group(self) -> None:
        """Nothing of the task outlives it, not even what it started itself."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._lifeline)
        self._log.join()

    def _end(self, stopped: bool) -> TaskEnd:
        logs, truncated = self._log.text()
        if not stopped and self._result.exists():
            outcome = json.loads(self._result.read_text(encoding="utf-8"))
            output = TaskOutput(outcome.get("error", ""), outcome.get("trace", ""), logs, truncated)
            return TaskEnd(not outcome, False, output)
        error = (
            "" if stopped else f"The Python process exited with code {self._process.returncode}."
        )
        return TaskEnd(False, stopped, TaskOutput(error, "", logs, truncated))


def _environment(extra: Mapping[str, str], work: Path, path: list[str]) -> dict[str, str]:
    """As little as a process needs: none of the server's own variables, above all no secrets."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work),
        "TMPDIR": str(work / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


class _Tail:
    """The last bytes of a stream, read by a thread."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._truncated = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        if self._stream is None:
            return
        with self._stream as stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                self._kept += chunk
                if len(self._kept) > 2 * LOG_BYTES:
                    del self._kept[:-LOG_BYTES]
                    self._truncated = True

    def join(self) -> None:
        self._thread.join(_EXIT_GRACE_S)

    def text(self) -> tuple[str, bool]:
        """The tail and whether something before it is missing."""
        truncated = self._truncated or len(self._kept) > LOG_BYTES
        return self._kept[-LOG_BYTES:].decode("utf-8", "replace"), truncated
