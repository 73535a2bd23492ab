"""Sessions on both backends, what commit and rollback mean, and work off the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import Engine, func, select

from kmflow_orchestration.lakehouse_sql.sessions import group_session, run_db
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.lakehouse_sql.world import Person

ACME = GroupId("acme")
NAMES = ("O'Brien", "x' OR 1=1", 'say "hi" \\ %s :name ?', "ünï", "")


def test_query_insert_count_and_limit_work_alike(either):
    with group_session(either, ACME) as session:
        session.add_all([Person(id=key, name=name) for key, name in enumerate(NAMES)])
    with group_session(either, ACME) as session:
        assert session.scalar(select(func.count()).select_from(Person)) == len(NAMES)
        page = select(Person.name).order_by(Person.id).limit(2).offset(1)
        assert session.scalars(page).all() == list(NAMES[1:3])
        for name in NAMES:
            assert session.scalars(select(Person.name).where(Person.name == name)).one() == name


def test_rows_are_changed_and_deleted_by_their_key(either):
    with group_session(either, ACME) as session:
        session.add_all([Person(id=1, name="one"), Person(id=2, name="two")])
    with group_session(either, ACME) as session:
        session.get_one(Person, 1).name = "it's one"
        session.delete(session.get_one(Person, 2))
    with group_session(either, ACME) as session:
        assert [(one.id, one.name) for one in session.scalars(select(Person))] == [(1, "it's one")]


def add_and_fail(engine: Engine, *, flush: bool) -> None:
    with group_session(engine, ACME) as session:
        session.add(Person(id=1, name="flushed"))
        if flush:
            session.flush()
        raise RuntimeError


def test_an_error_before_the_flush_leaves_nothing_on_either(either):
    with pytest.raises(RuntimeError):
        add_and_fail(either, flush=False)
    with group_session(either, ACME) as session:
        assert session.scalars(select(Person)).all() == []


def test_databricks_keeps_what_was_flushed_and_sqlite_does_not(either):
    with pytest.raises(RuntimeError):
        add_and_fail(either, flush=True)
    with group_session(either, ACME) as session:
        kept = session.scalars(select(Person.name)).all()
    assert kept == (["flushed"] if either.dialect.name == "databricks" else [])


def test_on_databricks_others_see_a_row_before_the_commit(world, engine):
    with group_session(engine, ACME) as session:
        session.add(Person(id=1, name="early"))
        session.flush()
        assert len(world.rows("acme", "SELECT * FROM people")) == 1


def test_a_session_is_closed_also_after_an_error(engine):
    with pytest.raises(RuntimeError):
        add_and_fail(engine, flush=True)
    assert engine.pool.checkedout() == 0


def test_a_database_is_asked_off_the_event_loop():
    released = threading.Event()

    def slow(word: str, *, times: int) -> tuple[int, str]:
        assert released.wait(10)
        return threading.get_ident(), word * times

    async def ask() -> tuple[int, str]:
        asked = asyncio.create_task(run_db(slow, "x", times=2))
        await asyncio.sleep(0)
        released.set()  # the loop goes on while the thread waits
        return await asked

    thread, answer = asyncio.run(ask())
    assert answer == "xx"
    assert thread != threading.get_ident()


def test_what_goes_wrong_in_the_thread_arrives(engine):
    def wrong() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(run_db(wrong))
