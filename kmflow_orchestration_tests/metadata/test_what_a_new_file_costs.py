"""A new file must cost the same beside a million known ones (row H12)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import SweepCursor, look
from kmflow_orchestration.names import group_id
from kmflow_orchestration.operations.store_evidence import store_batch

pytestmark = pytest.mark.sqlite

ACME = group_id("acme")
# A key that holds for all rows of a group, or for all in which a column has a value.
_WHOLE_GROUP = r"\(group_id=\?( AND \w+>\?)?\)$"
# What a group has ever more of.
_GROWING = ("landing_files", "evidence_items", "landing_events")


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed, with its first parameters."""
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        _, _, statement, parameters, _, is_many = arguments
        seen.append((statement, parameters[0] if is_many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def test_no_statement_of_an_arrival_goes_through_what_a_group_has_known(
    tmp_path: Path, statements: list[tuple[str, Any]]
) -> None:
    settings = load_settings(home=str(tmp_path), storage_backend="local", quiet_period_s="0")
    with Context(settings) as context:
        context.migrate()
        context.group_configs.save(ACME, parse_group(ACME, {}), "tests")
        group = context.group(ACME)
        for number in range(2):
            folder = tmp_path / "landing" / ACME / "e1" / f"d{number}"
            folder.mkdir(parents=True)
            for at in range(3):
                (folder / f"{at}.csv").write_text(f"a,b\n{number},{at}\n")
            statements.clear()
            cursor = SweepCursor(due_at=context.clock.now().timestamp() + 300).text
            look(ACME, group.landing_root, cursor, ledger=context.ledger, clock=context.clock)
            (due,) = context.ledger.due_days(ACME)
            assert store_batch(ACME, due.day, **group.storing()) is not None

    with closing(sqlite3.connect(tmp_path / "control.db")) as database:
        plans = {
            (statement, step)
            for statement, parameters in statements
            if re.match("SELECT|UPDATE|DELETE", statement)
            for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        }
    slow = {(step, statement) for statement, step in plans if _goes_through_all(step)}
    assert len(plans) > 10
    assert not slow


def _goes_through_all(step: str) -> bool:
    """Whether a step of SQLite's plan looks at every row, or at every row of a group."""
    found = re.match(rf"(SCAN|SEARCH) ({'|'.join(_GROWING)})\b(.*)", step)
    if found is None:
        return False
    return found[1] == "SCAN" or re.search(_WHOLE_GROUP, found[3]) is not None
