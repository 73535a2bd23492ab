"""Every member of the composition root and of a group's context.

Members are found, not listed: a new one fails here until it is either tried with globex's ids, or
said why it is nobody's.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.lakehouse_sql.models import LakehouseModel
from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration_tests.isolation.shared_world import (
    ACME,
    GLOBEX,
    SECRET_TEXT,
    SharedWorld,
    Things,
    called,
)
from kmflow_orchestration_tests.metadata.test_every_repository_requires_the_group import (
    repositories,
)

REPOSITORIES = {
    *("group_configs", "config_audit", "api_tokens", "ledger", "register", "datasets"),
    *("table_groups", "profile_runs", "findings", "output_files", "upload_failures"),
    "corrections",
    "quarantine",
    "moved_evidence",
    "file_history",
}
ROOT_BY_GROUP = {"group", "get_engine", "session_scope", "reach"}
ROOT_OF_THE_PROCESS = {
    "migrate": "the schema of the whole database",
    "create_database": "the database itself",
    "has_tables": "the same",
    "check_schema": "the same",
    "connections": "this process's own way out; what it makes of it is made per configuration",
    "connections_as": "the same for a sign-in that was given",
    "clients": "one per configuration: test_a_client_is_one_groups_and_one_versions",
    "group_engines": "one per configuration, tried here as get_engine",
    "actor": "who works here",
    "callback": "where jobs report to; each token is one run's",
    "polling": "how often runs are looked at",
    "check_connection": "tries the configuration it is handed; operations say who may ask",
    "health": "asks who calls, as the operation that it is, tried in test_callers",
    "close": "ends everything",
}
# What the contexts of all groups have in common, each asking for the group or knowing of none.
SHARED = {
    *(
        "ledger",
        "register",
        "registry",
        "corrections",
        "quarantine",
        "runs",
        "table_groups",
        "findings",
        "files",
        "failures",
        "clock",
        "history",
        "audit",
    ),
    *("callback", "run_is_over", "options"),
}
ABOUT_SOMETHING = {
    *("stored_completion", "refused", "profile_run", "profile_materialized"),
    *("latest_profile_run", "score_trend", "links", "open_engine", "register_tables"),
    *("write_required_rows", "stage_metrics", "undecided"),
    # Needs a workspace, which these groups have not.
    "migrating",
}


def public(owner: type) -> set[str]:
    kinds = owner.__mro__[:-1]  # all but `object`
    return {name for kind in kinds for name in vars(kind) if not name.startswith("_")}


@pytest.fixture(autouse=True)
def untouched(world: SharedWorld) -> Iterator[None]:
    yield
    assert world.of_globex() == world.had


class Remark(LakehouseModel):
    """A model of a user's own."""

    __tablename__ = "isolation_remarks"
    key: Mapped[str] = mapped_column(primary_key=True)


def test_every_member_of_the_root_is_accounted_for(world: SharedWorld) -> None:
    assert public(Context) == REPOSITORIES | ROOT_BY_GROUP | ROOT_OF_THE_PROCESS.keys()
    known = tuple(repositories())
    for name in REPOSITORIES:
        assert isinstance(getattr(world.context, name), known), name


@pytest.mark.parametrize("member", sorted(ROOT_BY_GROUP))
@pytest.mark.parametrize(
    "spelled", ["GLOBEX", " globex", "globex ", "acme/../globex", "globex\x00", "", None], ids=repr
)
def test_a_group_has_one_spelling(world: SharedWorld, member: str, spelled: str | None) -> None:
    call = getattr(world.context, member)
    answer = called(member, call, {"group": spelled})
    assert answer.split(":")[0] in {"InvalidSettings", "MissingGroup", "UnknownGroup"}


@pytest.mark.sqlite
def test_models_of_a_users_own_are_one_groups(world: SharedWorld) -> None:
    with world.context.session_scope(GLOBEX) as session:
        session.add(Remark(key=SECRET_TEXT))
    world.had = world.of_globex()
    with world.context.session_scope(ACME) as session:
        assert session.scalars(sa.select(Remark)).all() == []
    files = {str(world.context.get_engine(group).url.database) for group in (ACME, GLOBEX)}
    assert len(files) == 2


def parts_of(value: Any) -> Iterator[tuple[str, Any]]:
    """What a member hands out, by its names."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))


def handed_out(own: GroupContext, name: str) -> Any:
    found = getattr(own, name)
    return found() if inspect.ismethod(found) else found


@pytest.mark.parametrize("name", sorted(public(GroupContext) - ABOUT_SOMETHING - {"close"}))
def test_what_a_groups_context_hands_out_is_the_groups(world: SharedWorld, name: str) -> None:
    mine, theirs = (handed_out(one, name) for one in (world.acme, world.globex))
    assert mine is not theirs
    assert GLOBEX not in repr(mine)
    for part, value in parts_of(mine):
        others = dict(parts_of(theirs))[part]
        is_thing = not isinstance(value, str | int | float | bool | tuple | type(None))
        if is_thing and part not in SHARED:
            assert value is not others, part
        if isinstance(value, Path):
            assert ACME in value.parts, part


def at_hand(world: SharedWorld, things: Things) -> dict[str, Any]:
    return {
        "run": things.run,
        "day": world.day,
        "stored": True,
        "stage": Step.STORED,
        "profile_run_id": things.run.profile_run_id,
        "table_group": things.table_group.table_group_id,
        "table": things.table,
        "tables": (things.table.name,),
        "entries": [],
    }


@pytest.mark.parametrize("name", sorted(ABOUT_SOMETHING))
def test_a_neighbours_id_is_an_unknown_id(world: SharedWorld, name: str) -> None:
    theirs, nobodys = (
        world.told(called(name, getattr(world.acme, name), at_hand(world, things)))
        for things in (world.theirs, world.nobodys)
    )
    assert SECRET_TEXT not in theirs
    assert theirs == nobodys
