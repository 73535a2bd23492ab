"""Row A4: no public way into the control database can be taken without naming the group.

Repositories are found, not listed: every public class of these packages that is built with a
session or a factory of sessions. One written tomorrow is tested from its first day.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from types import ModuleType

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import KmflowError, MissingGroup
from kmflow_orchestration.metadata.engine import SessionFactory, open_sessions
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.fakes import FakeClock

PACKAGES = ("metadata", "intake", "runs")
WITHOUT_GROUP = {
    "GroupConfigs.groups": "the list of tenants itself: partitions and sensors walk over it",
    "GroupConfigs.all_active": "the same with settings, for `kmflow group list`",
    "engine.transaction": "opens a session and runs no statement of its own",
    "guarded.guarded": "the same, and names a failed write",
    "guarded.guarded_connection": "the same, without models",
    "one_writer.one_writer": "locks what rules over several groups need; reads no row",
    "ledger_store.reading": "hands out repositories, each of whose methods takes the group",
}
_SESSIONS = ("Session", "SessionFactory")


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        root = importlib.import_module(f"kmflow_orchestration.{package}")
        for found in pkgutil.iter_modules(root.__path__, f"{root.__name__}."):
            if not found.ispkg:
                yield importlib.import_module(found.name)


def own(module: ModuleType, kind: Callable[[object], bool]) -> Iterator[tuple[str, object]]:
    for name, thing in inspect.getmembers(module, kind):
        if getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_"):
            yield name, thing


def parameters(call: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(call).parameters.values())


def takes_sessions(call: Callable[..., object]) -> bool:
    return any(str(one.annotation) in _SESSIONS for one in parameters(call))


def methods(owner: type) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, method in inspect.getmembers(owner, inspect.isfunction):
        if not name.startswith("_"):
            yield f"{owner.__name__}.{name}", method


def repositories() -> list[type]:
    return [
        thing
        for module in modules()
        for _, thing in own(module, inspect.isclass)
        if isinstance(thing, type) and "__init__" in vars(thing) and takes_sessions(thing)
    ]


def is_bound_to_a_group(owner: type) -> bool:
    """Made for one group and never another, such as a claim on one group's batch."""
    return "group" in inspect.signature(owner).parameters


METHODS = dict(
    entry
    for owner in repositories()
    if not is_bound_to_a_group(owner)
    for entry in methods(owner)
    if entry[0] not in WITHOUT_GROUP
)
FUNCTIONS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": thing
    for module in modules()
    for name, thing in own(module, inspect.isfunction)
    if callable(thing) and takes_sessions(thing)
}


def test_the_search_finds_the_repositories():
    names = {owner.__name__ for owner in repositories()}
    assert {"GroupConfigs", "EvidenceItems", "ProfileRuns", "TableGroups", "Ledger"} <= names
    assert len(METHODS) > 40


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_public_method_takes_the_group_first(name):
    first = parameters(METHODS[name])[1:2]
    assert [one.name for one in first] == ["group"]
    assert first[0].default is inspect.Parameter.empty


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - WITHOUT_GROUP.keys()))
def test_a_public_function_on_a_session_takes_the_group(name):
    group = [one for one in parameters(FUNCTIONS[name]) if one.name == "group"]
    assert group
    assert group[0].default is inspect.Parameter.empty


def test_every_exception_is_still_needed():
    all_methods = {name for owner in repositories() for name, _ in methods(owner)}
    assert WITHOUT_GROUP.keys() <= all_methods | FUNCTIONS.keys()


@pytest.fixture
def engine(tmp_path, control_database):
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def sent(engine):
    """Statements that reached the database."""
    statements: list[str] = []
    event.listen(engine, "after_cursor_execute", lambda *args: statements.append(args[2]))
    return statements


def built(owner: type, sessions: SessionFactory, session: Session) -> object:
    made = {"SessionFactory": sessions, "Session": session, "Clock": FakeClock()}
    return owner(
        **{
            one.name: made[str(one.annotation)]
            for one in parameters(owner)
            if one.default is inspect.Parameter.empty
        }
    )


def call_for_no_group(repository: object, method: Callable[..., object], group: str | None) -> None:
    """Calls it for that group with None for all else, and uses up what it gives back."""
    needed = [one for one in parameters(method)[2:] if one.default is inspect.Parameter.empty]
    named = {one.name: None for one in needed if one.kind is inspect.Parameter.KEYWORD_ONLY}
    result = method(repository, group, *[None] * (len(needed) - len(named)), **named)
    if inspect.isgenerator(result):
        list(result)
    if isinstance(result, AbstractContextManager):
        with result:
            pass


@pytest.mark.parametrize("group", ["", " ", None])
@pytest.mark.parametrize("owner", repositories(), ids=lambda owner: owner.__name__)
def test_no_statement_about_no_group_is_sent(owner, group, engine, sent):
    """A method may refuse the Nones first; what counts is that nothing reaches the database."""
    if is_bound_to_a_group(owner):
        pytest.skip("made for one group")
    sessions = open_sessions(engine)
    # The Nones make SQLAlchemy warn about keys; the statement is refused all the same.
    warnings.simplefilter("ignore", SAWarning)
    with sessions() as session:
        repository = built(owner, sessions, session)
        for name, method in methods(owner):
            if name in METHODS:
                with suppress(KmflowError, TypeError, AttributeError, SQLAlchemyError):
                    call_for_no_group(repository, method, group)
                assert sent == [], name


def test_a_blank_group_is_named_as_the_cause(engine, sent):
    with pytest.raises(MissingGroup):
        TableGroups(open_sessions(engine)).all(GroupId("  "))
    assert sent == []


def test_one_row_without_group_among_many_is_refused(engine, sent):
    rows = [{"group_id": "acme"}, {"group_id": ""}]
    with pytest.raises(MissingGroup), engine.begin() as connection:
        connection.execute(text("DELETE FROM databricks_configs WHERE group_id = :group_id"), rows)
    assert sent == []
