from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.names import literal
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.faults import SailError


def test_a_query_streams_batches_and_knows_its_schema_first(session):
    schema, batches = session.query("SELECT id, CAST(id AS STRING) AS t FROM range(20000)")
    assert schema.names == ["id", "t"]
    sizes = [batch.num_rows for batch in batches]
    assert sum(sizes) == 20000
    assert len(sizes) > 1


def test_a_query_without_rows_still_has_its_schema(session):
    assert session.fetch("SELECT 1 AS a WHERE FALSE").schema.names == ["a"]


def test_no_proxy_is_asked_for_a_server_on_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with SailSession(server.address) as session:
        assert session.fetch("SELECT 1 AS a").num_rows == 1


def test_an_iterator_may_be_dropped_early(session):
    _, batches = session.query("SELECT * FROM range(10000000)")
    next(batches)
    batches.close()
    assert session.fetch("SELECT 2 AS b").num_rows == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        2.5,
        "it's \\ `x`",
        Decimal("12345.670"),
        Decimal("1E+3"),
        date(1969, 12, 31),
        datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC),
    ],
    ids=str,
)
def test_parameters_arrive_as_they_were(session, value):
    [row] = session.fetch("SELECT :value AS v", {"value": value}).to_pylist()
    assert row["v"] == value


@given(text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_text_literal_is_the_text(server, text):
    with SailSession(server.address) as session:
        assert session.fetch(f"SELECT {literal(text)} AS t")["t"].to_pylist() == [text]


def test_a_wrong_statement_raises_with_the_servers_text(session):
    with pytest.raises(SailError, match="nope"):
        session.fetch("SELECT nope FROM range(1)")
    with pytest.raises(SailError):
        session.execute("CREATE SOMETHING odd")
    with pytest.raises(SailError, match=r"(?i)divi.* by zero"):
        session.fetch("SELECT 1 / (id - id) FROM range(3)")


def test_sessions_do_not_see_each_others_tables(server, session):
    session.execute("CREATE TEMP VIEW mine AS SELECT 1 AS a")
    with SailSession(server.address) as other, pytest.raises(SailError, match="mine"):
        other.fetch("SELECT * FROM mine")


def test_two_objects_of_one_session_id_share_everything(server, session):
    session.execute("CREATE TEMP VIEW shared AS SELECT 1 AS a")
    with SailSession(server.address, session.session_id) as same:
        assert same.fetch("SELECT * FROM shared").num_rows == 1


def test_many_threads_use_one_session(session):
    results: list[int] = []

    def ask(number: int) -> None:
        results.append(session.fetch(f"SELECT {number} AS n")["n"][0].as_py())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(16))
