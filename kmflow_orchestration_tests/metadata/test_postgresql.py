"""PostgreSQL as control database: how it is reached, and what it takes otherwise than SQLite."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    KmflowError,
    MetadataUnavailable,
)
from kmflow_orchestration.metadata.engine import migrate, open_engine
from kmflow_orchestration.metadata.migration import create
from kmflow_orchestration.redaction import redact
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.postgres_server import USER, PostgresServer
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, NULLS, ProfileWorld

CANARY = "canary-7f3a9c51"


@pytest.fixture
def world(tmp_path: Path, control_database: NewDatabase) -> ProfileWorld:
    return ProfileWorld(control_database(tmp_path / "control.db"))


def shown(error: BaseException) -> str:
    """What a log shows of an error and its causes."""
    return f"{error!r}{''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_any_spelling_of_the_address_takes_our_driver(scheme: str) -> None:
    engine = open_engine(f"{scheme}://ann@db.example/kmflow")

    assert engine.url.drivername == "postgresql+psycopg"


def test_the_password_may_come_from_elsewhere_and_is_never_shown() -> None:
    engine = open_engine("postgresql://ann@db.example/kmflow", password=Secret(CANARY))

    assert engine.url.password == CANARY
    assert CANARY not in f"{engine} {engine!r} {engine.url} {engine.url!r}"


def test_an_addresss_own_password_is_redacted_wherever_it_turns_up() -> None:
    open_engine("postgresql://ann:pa%40ss-41c7e9@db.example/kmflow")

    assert redact("refused: pa@ss-41c7e9, pa%40ss-41c7e9") == "refused: ***, ***"


@pytest.mark.parametrize(
    "url", [f"postgresql://ann:12@{CANARY}@db.example/kmflow", f"postgresql://ann:{CANARY}@h:x/db"]
)
def test_an_address_that_is_read_otherwise_than_meant_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_engine(url)

    assert "percent-encoded" in refused.value.hint
    assert CANARY not in shown(refused.value)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    engine = open_engine(f"postgresql://ann:{CANARY}@127.0.0.1:1/kmflow")

    with pytest.raises(MetadataUnavailable) as away:
        migrate(engine)

    assert "127.0.0.1:1" in away.value.message
    assert "KMFLOW_DATABASE_URL" in away.value.hint
    assert (away.value.exit_code, away.value.retryable) == (5, True)
    assert CANARY not in shown(away.value)


def test_a_refused_password_is_not_shown_either(postgres_server: PostgresServer) -> None:
    engine = open_engine(postgres_server.url().replace(postgres_server.password, CANARY))

    with pytest.raises(MetadataUnavailable, match="password authentication failed") as refused:
        migrate(engine)

    assert CANARY not in shown(refused.value)


def test_a_database_is_made_once_however_many_ask(postgres_server: PostgresServer) -> None:
    engines = [open_engine(postgres_server.url("made_by_us")) for _ in range(4)]
    at_once = Barrier(4)

    def make(number: int) -> None:
        at_once.wait()
        create(engines[number])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    create(engines[0])

    query = "SELECT count(*) FROM pg_database WHERE datname = 'made_by_us'"
    assert postgres_server.execute(query) == [(1,)]
    postgres_server.execute("DROP DATABASE made_by_us")


def test_who_may_make_no_database_is_told_what_to_ask_for(postgres_server: PostgresServer) -> None:
    postgres_server.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
    url = postgres_server.url("not_there").replace(postgres_server.password, "reader")

    with pytest.raises(AccessRefused, match="not_there") as refused:
        create(open_engine(url.replace(f"//{USER}:", "//reader:")))

    assert (refused.value.exit_code, "CREATEDB" in refused.value.hint) == (4, True)


def test_a_database_that_is_not_utf8_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.execute(
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
    )
    engine = open_engine(postgres_server.url("latin"))

    with pytest.raises(ConfigurationError, match="SQL_ASCII"):
        migrate(engine)

    engine.dispose()
    postgres_server.execute("DROP DATABASE latin")


def test_what_the_address_sets_wins_over_ours(postgres_server: PostgresServer) -> None:
    engine = open_engine(postgres_server.url() + "?application_name=theirs")

    with engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "theirs"
        assert connection.scalar(text("SHOW lock_timeout")) == "30s"
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
    engine.dispose()


def test_long_names_and_characters_no_text_holds_are_kept_as_far_as_may_be(
    world: ProfileWorld, request: pytest.FixtureRequest
) -> None:
    long = replace(NULLS, column_name="c" * 300, likelihood="l" * 500)
    odd = replace(NULLS, detail="a\x00b", description="é\U0001f600")
    run = world.submit()

    world.complete(run, replace(DONE, anomalies=(long, odd)))

    found = {one.column_name: one for one in world.findings.anomalies(ACME, run.profile_run_id)}
    on_sqlite = request.config.getoption("control_database") == "sqlite"
    assert found["c" * 300].likelihood == "l" * 500
    assert found["rate"].detail == ("a\x00b" if on_sqlite else "a\ufffdb")
    assert found["rate"].description == "é\U0001f600"


def test_a_database_that_went_away_is_our_own_error_until_it_is_back(
    world: ProfileWorld, postgres_server: PostgresServer
) -> None:
    run = world.submit()
    attempts: list[Callable[[], object]] = [
        lambda: world.read(run),
        lambda: world.complete(run),
        lambda: world.table_groups.all(ACME),
        lambda: world.findings.anomalies(ACME, run.profile_run_id),
    ]
    postgres_server.stop()
    for attempt in attempts:
        with pytest.raises(MetadataUnavailable):
            attempt()

    postgres_server.start()
    assert world.read(run).status == "queued"
    assert world.complete(run).applied


def test_a_server_that_only_reads_is_away_for_now(
    world: ProfileWorld, postgres_server: PostgresServer
) -> None:
    run = world.submit()
    name = world.database_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    world.engine.dispose()

    with pytest.raises(MetadataUnavailable, match="read-only"):
        world.complete(run)


def test_who_waits_too_long_for_a_lock_is_told_that_the_database_is_busy(
    world: ProfileWorld, postgres_server: PostgresServer
) -> None:
    run = world.submit()
    name = world.database_url.rpartition("/")[2]
    impatient = open_engine(f"{world.database_url}?options=-c%20lock_timeout%3D50ms")
    world.runs.sessions.configure(bind=impatient)
    with world.engine.begin() as holder:
        holder.execute(text("SELECT 1 FROM dq_profiles FOR UPDATE"))
        with pytest.raises(KmflowError, match="lock") as busy:
            world.complete(run)

    assert isinstance(busy.value, MetadataUnavailable), name
    impatient.dispose()
