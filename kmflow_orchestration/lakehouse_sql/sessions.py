"""Sessions on a group's SQL engine, the same on Databricks and on SQLite (row C18).

Databricks SQL has no transactions over several statements: what was flushed is stored and seen by
all at once, `commit` adds nothing to it and `rollback` takes nothing back. Work that must be whole
is one statement, or is made repeatable by key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria

from kmflow_orchestration.errors import ReadOnlyTable
from kmflow_orchestration.lakehouse_sql.models import LakehouseTable
from kmflow_orchestration.names import GroupId

P = ParamSpec("P")
T = TypeVar("T")


class GroupSession(Session):
    """A session of one group; our tables show it that group's rows only."""

    def __init__(self, engine: Engine, group: GroupId) -> None:
        super().__init__(engine, expire_on_commit=False)
        self.group = group


@contextmanager
def group_session(engine: Engine, group: GroupId) -> Iterator[GroupSession]:
    """A session that is committed at the end, rolled back on any error, and closed always."""
    with GroupSession(engine, group) as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


async def run_db(action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that talks to a database in a thread, off the event loop."""
    return await asyncio.to_thread(action, *args, **kwargs)


@event.listens_for(GroupSession, "do_orm_execute")
def _own_rows_only(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, GroupSession)  # noqa: S101 - the listener is for its class only
    for mapper in state.all_mappers if not state.is_select else ():
        _refuse_ours(mapper.class_)
    group = session.group
    if state.is_select:
        state.statement = state.statement.options(
            *(
                # Evaluated anew for each alias, which an expression would not be.
                with_loader_criteria(
                    mapper.class_, lambda model: model.group_id == group, include_aliases=True
                )
                for mapper in LakehouseTable.registry.mappers
            )
        )


@event.listens_for(GroupSession, "before_flush")
def _no_change_of_ours(session: Session, _: UOWTransaction, __: Any) -> None:
    for instance in (*session.new, *session.dirty, *session.deleted):
        _refuse_ours(type(instance))


def _refuse_ours(model: type) -> None:
    if issubclass(model, LakehouseTable):
        raise ReadOnlyTable(
            f"{model.__name__} is written by the pipeline only",
            hint="keep your own rows in a model of your own (LakehouseModel)",
        )
