"""Copies of databases while others work with them: SQLite's own backup, PostgreSQL's own tools."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from kmflow_orchestration.errors import BackupError, MissingDependency
from kmflow_orchestration.metadata.engine import parse_url

_WAIT_S = 30.0
_LONGEST_S = 6 * 3600
_PAGES = 10_000


def is_sqlite(url: str) -> bool:
    """Whether an address leads to a SQLite file."""
    return parse_url(url).get_backend_name() == "sqlite"


def sqlite_file(url: str) -> Path:
    """The file of a SQLite address."""
    return Path(parse_url(url).database or "")


def copy_sqlite(source: Path, target: Path) -> None:
    """A copy as of one moment, whoever writes meanwhile; alone it needs no write-ahead log.

    Raises:
        BackupError: the file is no database, is damaged, or stays locked.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as opened,
            closing(sqlite3.connect(target)) as copy,
        ):
            opened.execute(f"PRAGMA busy_timeout={int(_WAIT_S * 1000)}")
            opened.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE")
            (told,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error
    if told != "ok":
        raise BackupError(f"the copy of {source} is damaged: {told}", hint="check the disk")
    target.chmod(0o600)


def sqlite_revision(path: Path) -> str:
    """The control database's revision in a copy, '' when it was never migrated."""
    try:
        with closing(sqlite3.connect(path)) as opened:
            row = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return ""
    return str(row[0]) if row else ""


def dump_postgres(url: str, target: Path, *, password: str | None = None) -> None:
    """A dump in PostgreSQL's own format, as of one moment.

    Raises:
        MissingDependency: `pg_dump` is not installed.
        BackupError: it failed.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    _run("pg_dump", url, options, password)
    target.chmod(0o600)


def restore_postgres(url: str, source: Path, *, password: str | None = None) -> None:
    """Put a dump in the place of what the database holds, in one transaction.

    Raises:
        MissingDependency: `pg_restore` is not installed.
        BackupError: it failed; nothing was changed.
    """
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
    _run("pg_restore", url, [*options, str(source)], password)


def _run(program: str, url: str, options: Sequence[str], password: str | None) -> None:
    found = shutil.which(program)
    if found is None:
        raise MissingDependency(
            f"the database is PostgreSQL, and {program} is not installed",
            hint="install PostgreSQL's client programs (postgresql-client), or back the server up "
            "with its own tools",
        )
    parsed = parse_url(url)
    # The password goes by the environment: a command line is everybody's to read.
    secret = parsed.password or password
    environment = {**os.environ, **({"PGPASSWORD": str(secret)} if secret else {})}
    # `set` would take None for "as it is".
    bare = parsed.set(drivername="postgresql")._replace(password=None)
    address = bare.render_as_string()
    ran = subprocess.run(  # noqa: S603 - the database's own program, found on PATH
        [found, f"--dbname={address}", "--no-password", *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if ran.returncode != 0:
        raise BackupError(f"{program} failed: {ran.stderr.strip()[-500:]}")
