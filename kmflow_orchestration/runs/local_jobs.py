"""Profiling jobs as child processes of this machine, for storage that needs no workspace.

A run is a folder: `request.json` what to do, `lock` held by the child as long as it lives,
`status.json` how it ended (whole or absent), `log`. The child outlives us, and whoever comes
later reads the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import ConfigurationError, RemoteNotFound
from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.names import Namespace, check_path_part
from kmflow_orchestration.runs import local_child
from kmflow_orchestration.runs.job_runner import EnsuredJob, SubmittedRun
from kmflow_orchestration.runs.local_child import (
    LOCK,
    LOG,
    PROCESS,
    REQUEST,
    STATUS,
    write_whole,
)
from kmflow_orchestration.runs.run_state import RunStatus

LOCAL_JOB = "local"
_ENTRY_POINT = "kmflow_orchestration.profiling.job"
_LOG_TAIL_BYTES = 4000
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class LocalJobRunner:
    """The job runner of a group whose tables lie in `lakehouse_root`.

    `runs_root` gets one folder a run; `entry_module` is what the child runs.
    """

    runs_root: Path
    lakehouse_root: Path
    namespace: Namespace
    entry_module: str = _ENTRY_POINT

    def ensure_job(self, table_group: TableGroup) -> EnsuredJob:
        """There is nothing to register here."""
        return EnsuredJob(LOCAL_JOB)

    def submit(
        self, job_id: str, *, profile_run_id: str, parameters: Mapping[str, str]
    ) -> SubmittedRun:
        folder = self._folder(profile_run_id)
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(BlockingIOError), _locked(folder) as lock:
            if not (folder / STATUS).exists():
                self._start(folder, lock, parameters)
        return SubmittedRun(profile_run_id, (folder / LOG).as_uri(), RunStatus.RUNNING)

    def state(self, databricks_run_id: str) -> dict[str, Any]:
        folder = self._known(databricks_run_id)
        running = _is_locked(folder)
        # In this order: a child writes its status before it lets go of the lock.
        with contextlib.suppress(FileNotFoundError):
            status: dict[str, Any] = json.loads((folder / STATUS).read_text(encoding="utf-8"))
            return status
        if running:
            return {"state": {"life_cycle_state": "RUNNING"}}
        return _ended(
            "INTERNAL_ERROR", "FAILED", "DRIVER_ERROR", "the process ended without a status"
        )

    def cancel(self, databricks_run_id: str) -> None:
        folder = self._known(databricks_run_id)
        if not _is_locked(folder):
            return
        _kill(folder)
        with _locked(folder, wait=True):
            if not (folder / STATUS).exists():
                ended = _ended("TERMINATED", "CANCELED", "USER_CANCELED", "cancelled")
                write_whole(folder / STATUS, json.dumps(ended))

    def output(self, databricks_run_id: str) -> str:
        folder = self._known(databricks_run_id)
        with contextlib.suppress(FileNotFoundError):
            status = json.loads((folder / STATUS).read_text(encoding="utf-8"))
            if status.get("error"):
                return str(status["error"])
        with contextlib.suppress(FileNotFoundError):
            return (folder / LOG).read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return ""

    def _folder(self, profile_run_id: str) -> Path:
        return self.runs_root / check_path_part(profile_run_id)

    def _known(self, databricks_run_id: str) -> Path:
        folder = self._folder(databricks_run_id)
        if not folder.is_dir():
            raise RemoteNotFound(f"this machine has no run {databricks_run_id}")
        return folder

    def _start(self, folder: Path, lock: int, parameters: Mapping[str, str]) -> None:
        request = {
            "entry_module": self.entry_module,
            "arguments": [f"--{name}={value}" for name, value in parameters.items()],
            "lakehouse_root": str(self.lakehouse_root),
            "catalog": self.namespace.catalog,
            "schemas": self.namespace.schemas,
            "lock": lock,
        }
        write_whole(folder / REQUEST, json.dumps(request))
        with (folder / LOG).open("ab") as log:
            try:
                child = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                    [sys.executable, "-P", "-m", local_child.__name__, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            except OSError as error:
                raise ConfigurationError(f"no process could be started: {error}") from error
        write_whole(folder / PROCESS, str(child.pid))
        # Its end is read from the folder, by this process or another; here it is only reaped.
        threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()


def _kill(folder: Path) -> None:
    """End the folder's process; one whose start was interrupted has yet to say which it is.

    The lock falls with the last of the killed processes: then nobody else writes a status.
    """
    while _is_locked(folder):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((folder / PROCESS).read_text(encoding="utf-8")), signal.SIGKILL)
        threading.Event().wait(_LOOK_S)


def _environment() -> dict[str, str]:
    """As little as the child needs: none of our own variables, above all no secrets."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV")
    known = {name: os.environ[name] for name in kept if name in os.environ}
    return {**known, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1"}


def _ended(life_cycle: str, result: str, code: str, message: str) -> dict[str, Any]:
    return local_child.ended(life_cycle, result, code, message)


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Any:
    """The folder's lock as a file descriptor; a child that inherits it keeps it.

    Raises:
        BlockingIOError: somebody else has it, and `wait` is false.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(folder: Path) -> bool:
    try:
        with _locked(folder):
            return False
    except BlockingIOError:
        return True
