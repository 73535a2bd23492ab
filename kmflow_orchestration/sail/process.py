"""A Sail server (Spark Connect in Rust) in a child process of its own (design AD1).

A child, because its SQL parser leaks and only a restart gives memory back, and because killing it
is the only way to stop a statement that keeps a core busy.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from kmflow_orchestration.sail.faults import SailUnavailable

DEFAULT_ALLOWED_RSS_BYTES = 2 * 1024**3
DEFAULT_CATALOG = "main"
_CHILD = Path(__file__).with_name("server_child.py")
_START_TIMEOUT_S = 30.0
# Idle sessions vanish with their tables; nothing of ours lives longer than ten years.
_SESSION_TIMEOUT_S = 10 * 365 * 24 * 3600
# The pool counts operator memory only: the process takes about four times as much (measured).
_POOL_SHARE = 4


class SailServer:
    """A running server. `address` is `host:port` on loopback.

    Catalog names are fixed at the start: only they can stand first in a three-part name.

    Raises:
        SailUnavailable: the child ended or did not answer in time; the message holds its output.
    """

    def __init__(
        self,
        *,
        catalogs: Sequence[str] = (DEFAULT_CATALOG,),
        allowed_rss_bytes: int = DEFAULT_ALLOWED_RSS_BYTES,
    ) -> None:
        self.catalogs = tuple(catalogs)
        self._directory = Path(tempfile.mkdtemp(prefix="kmflow-sail-"))
        self._log = self._directory / "sail.log"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", str(_CHILD), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | _settings(self.catalogs, allowed_rss_bytes, self._directory),
                # A Ctrl-C in the terminal is for us; we stop the child when we are done.
                start_new_session=True,
            )
        try:
            self.address = self._handshake()
        except SailUnavailable:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._child.poll() is None

    def rss_bytes(self) -> int:
        """Resident memory of the child; 0 when it is gone."""
        import psutil

        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.running else 0
        except psutil.NoSuchProcess:
            return 0

    def stop(self) -> None:
        """End the child at once, whatever it is doing; a second call does nothing."""
        if self.running:
            self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handshake(self) -> str:
        out = self._child.stdout
        assert out is not None  # noqa: S101 - a pipe was asked for
        ready, _, _ = select.select([out], [], [], _START_TIMEOUT_S)
        host, _, port = (out.readline().decode() if ready else "").strip().partition(" ")
        if not port:
            said = self._log.read_text(errors="replace").strip()[-2000:]
            raise SailUnavailable(f"the Sail server did not start: {said or 'no output'}")
        return f"{host}:{port}"


def _settings(catalogs: Sequence[str], allowed_rss_bytes: int, directory: Path) -> dict[str, str]:
    spill = directory / "spill"
    spill.mkdir()
    listed = ",".join(
        f'{{name={_toml(name)},type="memory",initial_database=["default"]}}' for name in catalogs
    )
    return {
        "SAIL_CATALOG__LIST": f"[{listed}]",
        "SAIL_CATALOG__DEFAULT_CATALOG": catalogs[0],
        "SAIL_CATALOG__DEFAULT_DATABASE": '["default"]',
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(allowed_rss_bytes // _POOL_SHARE),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f"[{_toml(str(spill))}]",
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(_SESSION_TIMEOUT_S),
        "RUST_LOG": "error",
        "TZ": "UTC",
    }


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
