"""Where tests keep their control databases: SQLite files, or databases of a PostgreSQL server.

    def test_…(control_database, tmp_path):
        url = control_database(tmp_path / "control.db")     # migrated and empty
        sessions = open_sessions(engine_of(url))

The one seam between the two: `pytest --control-database=postgres` (`make test-postgres`) runs
the tests that ask for a control database, and no others, on PostgreSQL.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kmflow_orchestration.metadata.engine import migrate, open_engine
from kmflow_orchestration_tests.postgres_server import PostgresServer

NewDatabase = Callable[[Path], str]
_TEMPLATE = "kmflow_template"
_TESTS = Path(__file__).parent
# Long ways through much else; what they ask of a control database, shorter tests ask there too.
_LONG_WAYS = frozenset(
    {
        "cli/test_commands.py",
        "cli/test_config_show.py",
        "cli/test_connection_commands.py",
        "cli/test_doctor.py",
        "cli/test_files.py",
        "cli/test_group_commands.py",
        "cli/test_outputs.py",
        "cli/test_refusals.py",
        "cli/test_token_commands.py",
        "dagster_skins/test_doctor.py",
        "dagster_skins/test_reconciliation_check.py",
        "dagster_skins/test_rule_checks.py",
        "dagster_skins/test_task_outputs.py",
        "end_to_end/test_cancellation.py",
        "end_to_end/test_day_ranges.py",
        "end_to_end/test_journey.py",
        "end_to_end/test_replays.py",
        "operations/kills/test_joined_batches.py",
        "operations/kills/test_publishing_kills.py",
        "operations/kills/test_scene.py",
        "operations/once/test_exactly_once.py",
        "operations/outputs/test_browse_outputs.py",
        "runs/test_databricks_run.py",
        "runs/test_local_jobs.py",
    }
)
_engines: dict[str, Engine] = {}


def engine_of(url: str) -> Engine:
    """This process's one engine for a control database; closed with the database."""
    if url not in _engines:
        _engines[url] = open_engine(url)
    return _engines[url]


class ControlDatabases:
    """Makes databases out of one that was migrated once; by the path of SQLite's file."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self.server = server
        self._file = folder / "control.db"
        self._names = (f"test_{number}" for number in count(1))
        self._urls: dict[Path, str] = {}
        self._migrate_template()

    def new(self, path: Path) -> str:
        """Address of the migrated database at this path, made empty where there is none."""
        if path not in self._urls:
            self._urls[path] = self._made(path, _TEMPLATE)
        return self._urls[path]

    def unmigrated(self, path: Path) -> str:
        """Address of a database without tables; SQLite makes the file when it is first used."""
        if path not in self._urls:
            self._urls[path] = self._made(path, "template0")
        return self._urls[path]

    def settings(self, url: str) -> dict[str, str]:
        """Process settings that lead there; SQLite's in a home need none."""
        return {} if self.server is None else {"database_url": url}

    @contextmanager
    def of_a_test(self) -> Iterator[None]:
        """Databases made within the block go at its end."""
        before = set(self._urls)
        try:
            yield
        finally:
            for path in set(self._urls) - before:
                self._drop(self._urls.pop(path))

    def keep(self, url: str) -> Callable[[], None]:
        """Keeps what a database holds now; calling the result puts it back, however often."""
        engine = engine_of(url)
        engine.dispose()
        if self.server is None:
            put_back = _kept_file(Path(url.removeprefix("sqlite:///")))
        else:
            put_back = self._kept_database(self.server, url.rpartition("/")[2])

        def restore() -> None:
            # Open connections would still see the database that is put away.
            engine.dispose()
            put_back()

        return restore

    def _kept_database(self, server: PostgresServer, name: str) -> Callable[[], None]:
        kept = next(self._names)
        # Whoever is still connected connects anew; one that is in use cannot be copied.
        server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            f"CREATE DATABASE {kept} TEMPLATE {name} STRATEGY FILE_COPY",
        )
        self._urls[Path(kept)] = server.url(kept)

        def restore() -> None:
            server.execute(
                f"DROP DATABASE {name} WITH (FORCE)",
                f"CREATE DATABASE {name} TEMPLATE {kept} STRATEGY FILE_COPY",
            )

        return restore

    def _migrate_template(self) -> None:
        if self.server is not None:
            self.server.execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        engine = open_engine(self._address(self._file, _TEMPLATE))
        migrate(engine)
        engine.dispose()
        if self.server is None:
            _into_one_file(self._file)

    def _address(self, path: Path, name: str) -> str:
        return f"sqlite:///{path}" if self.server is None else self.server.url(name)

    def _made(self, path: Path, template: str) -> str:
        name = next(self._names)
        if self.server is not None:
            self.server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        elif template == _TEMPLATE:
            shutil.copy(self._file, path)
        return self._address(path, name)

    def _drop(self, url: str) -> None:
        if url in _engines:
            _engines.pop(url).dispose()
        if self.server is not None:
            self.server.start()
            self.server.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def close(self) -> None:
        """Close what the last tests left open."""
        for url in set(self._urls.values()) & set(_engines):
            _engines.pop(url).dispose()


def _into_one_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _kept_file(path: Path) -> Callable[[], None]:
    kept = path.with_name("kept.db")
    _into_one_file(path)
    shutil.copy(path, kept)

    def restore() -> None:
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        shutil.copy(kept, path)

    return restore


@pytest.fixture(scope="session")
def control_databases(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlDatabases]:
    """For fixtures that serve many tests."""
    folder = tmp_path_factory.mktemp("control")
    if pytestconfig.getoption("control_database") == "sqlite":
        yield ControlDatabases(folder, None)
        return
    with PostgresServer() as server:
        made = ControlDatabases(folder, server)
        yield made
        made.close()


@pytest.fixture
def postgres_server(control_databases: ControlDatabases) -> Iterator[PostgresServer]:
    """For tests about PostgreSQL itself; they may stop it."""
    assert control_databases.server is not None
    yield control_databases.server
    control_databases.server.start()


@pytest.fixture
def control_database(control_databases: ControlDatabases) -> Iterator[NewDatabase]:
    """Makes control databases of one test."""
    with control_databases.of_a_test():
        yield control_databases.new


def for_sqlite(item: pytest.Item) -> bool:
    """Whether a test runs without a PostgreSQL server."""
    return postgres_server.__name__ not in getattr(item, "fixturenames", ())


def for_postgres(item: pytest.Item) -> bool:
    """Whether a test uses a control database that can be PostgreSQL's, and has to."""
    fixtures = getattr(item, "fixturenames", ())
    if postgres_server.__name__ in fixtures:
        return True
    elsewhere = item.path.relative_to(_TESTS).as_posix() in _LONG_WAYS
    uses_one = control_databases.__name__ in fixtures and not elsewhere
    return uses_one and item.get_closest_marker("sqlite") is None
