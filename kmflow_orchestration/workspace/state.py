"""What an embedded workspace server remembers: a directory with one SQLite file in it.

<directory>/workspace.db                          workspaces, principals, catalog, jobs, runs
<directory>/workspaces/<id>/volumes/<c>/<s>/<v>   the bytes of Volumes
<directory>/workspaces/<id>/tables                Delta tables
<directory>/workspaces/<id>/runs                  folders of job runs
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.workspace.wire import Caller

_FIRST_WORKSPACE_ID = 1_000_000_000_000_001

_SCHEMA = """
CREATE TABLE IF NOT EXISTS workspaces (
    workspace_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS principals (
    workspace_id TEXT NOT NULL REFERENCES workspaces,
    name TEXT NOT NULL,
    admin INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, name)
);
CREATE TABLE IF NOT EXISTS tokens (
    token_sha256 TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    FOREIGN KEY (workspace_id, principal) REFERENCES principals (workspace_id, name)
);
"""


class Database:
    """One SQLite file for all threads of the server: one connection, one lock.

    Statements outside a transaction commit by themselves.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}").close()

    def ensure(self, ddl: str) -> None:
        """Run `CREATE … IF NOT EXISTS` statements, several in one text."""
        with self._lock:
            self._connection.executescript(ddl)

    def execute(self, sql: str, args: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Run one statement; its rows, all of them."""
        with self._lock:
            return self._connection.execute(sql, args).fetchall()

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement once per row, in one transaction."""
        with self.transaction():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """All statements of the block or none; other threads wait. Nested blocks join the outer."""
        with self._lock:
            if self._connection.in_transaction:
                yield self
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @property
    def changes(self) -> int:
        """Rows changed so far: as long as it stays, what was read before still holds."""
        return self._connection.total_changes

    def close(self) -> None:
        """Close the file; no statement may follow."""
        with self._lock:
            self._connection.close()


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or service principal of a workspace."""

    workspace_id: str
    name: str
    admin: bool


class WorkspaceState:
    """Workspaces and the principals in them; the ground other parts keep their tables on."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory.resolve()
        self.clock = clock
        self.database = Database(self.directory / "workspace.db")
        self.database.ensure(_SCHEMA)
        self._callers: dict[str, Caller] = {}
        self._admins: dict[Caller, bool] = {}

    def create_workspace(self, name: str) -> str:
        """The id of the workspace of this name, made when it is new."""
        with self.database.transaction() as database:
            known = database.execute("SELECT workspace_id FROM workspaces WHERE name = ?", (name,))
            if known:
                return str(known[0]["workspace_id"])
            [row] = database.execute("SELECT count(*) AS made FROM workspaces")
            workspace_id = str(_FIRST_WORKSPACE_ID + row["made"])
            database.execute("INSERT INTO workspaces VALUES (?, ?)", (workspace_id, name))
        self.volumes_root(workspace_id).mkdir(parents=True, exist_ok=True)
        return workspace_id

    def create_principal(
        self, workspace_id: str, name: str, *, token: str, admin: bool = False
    ) -> Caller:
        """Make a principal, or give a known one this token too; only the token's hash is kept.

        Raises:
            ValueError: no such workspace, or the token is another principal's.
        """
        caller, digest = Caller(workspace_id, name), _sha256(token)
        with self.database.transaction() as database:
            if not database.execute(
                "SELECT 1 FROM workspaces WHERE workspace_id = ?", (workspace_id,)
            ):
                raise ValueError(f"no workspace {workspace_id}")
            if self.authenticate(token) not in {None, caller}:
                raise ValueError(f"the token given for {name} belongs to another principal")
            database.execute(
                "INSERT INTO principals VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET admin = excluded.admin",
                (workspace_id, name, int(admin)),
            )
            database.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", (digest, workspace_id, name)
            )
        self._admins.pop(caller, None)
        return caller

    def revoke_token(self, token: str) -> None:
        """Make a token worthless from the next request on."""
        digest = _sha256(token)
        self.database.execute("DELETE FROM tokens WHERE token_sha256 = ?", (digest,))
        self._callers.pop(digest, None)

    def workspaces(self) -> dict[str, str]:
        """Workspace id → name, by id."""
        rows = self.database.execute(
            "SELECT workspace_id, name FROM workspaces ORDER BY workspace_id"
        )
        return {row["workspace_id"]: row["name"] for row in rows}

    def principals(self, workspace_id: str) -> list[Principal]:
        """Principals of a workspace, by name."""
        rows = self.database.execute(
            "SELECT name, admin FROM principals WHERE workspace_id = ? ORDER BY name",
            (workspace_id,),
        )
        return [Principal(workspace_id, row["name"], bool(row["admin"])) for row in rows]

    def is_admin(self, caller: Caller) -> bool:
        """Whether the caller is an administrator of the workspace."""
        if caller not in self._admins:
            rows = self.database.execute(
                "SELECT admin FROM principals WHERE workspace_id = ? AND name = ?",
                (caller.workspace_id, caller.principal),
            )
            self._admins[caller] = bool(rows and rows[0]["admin"])
        return self._admins[caller]

    def authenticate(self, token: str) -> Caller | None:
        """Who a token stands for; None when nobody."""
        digest = _sha256(token)
        if digest not in self._callers:
            rows = self.database.execute(
                "SELECT workspace_id, principal FROM tokens WHERE token_sha256 = ?", (digest,)
            )
            if not rows:
                return None
            self._callers[digest] = Caller(rows[0]["workspace_id"], rows[0]["principal"])
        return self._callers[digest]

    def workspace_directory(self, workspace_id: str) -> Path:
        """Where a workspace keeps its files; its parts are in the module's docstring."""
        return self.directory / "workspaces" / workspace_id

    def volumes_root(self, workspace_id: str) -> Path:
        """What `/Volumes` is in this workspace: `<root>/<catalog>/<schema>/<volume>`."""
        return self.workspace_directory(workspace_id) / "volumes"

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
