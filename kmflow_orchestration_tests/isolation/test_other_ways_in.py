"""Dagster runs, clients, links and callbacks of acme end where globex begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.metadata.profile_records import ProfileRun
from kmflow_orchestration.partitions.keys import GROUP_TAG
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.submission import start_profile
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.runs.profile_world import ACME, E1, GLOBEX, ProfileWorld
from kmflow_orchestration_tests.service.conftest import Caller, serve, server

__all__ = ["serve", "server"]


@pytest.fixture
def sensors(tmp_path: Path, control_database: NewDatabase) -> Iterator[SensorWorld]:
    with SensorWorld(tmp_path, control_database(tmp_path / "control.db")) as made:
        for group in (ACME, GLOBEX):
            made.add_group(group)
        yield made


def ask_in_a_run(
    sensors: SensorWorld, groups: list[str], tags: dict[str, str]
) -> tuple[list[str], str, dict[str, str]]:
    """Groups a run was given of those it asked for, why it failed, and its tags."""
    given: list[str] = []

    @dg.op(required_resource_keys={"kmflow"})
    def ask(context) -> None:  # type: ignore[no-untyped-def]
        # One by one: what was given before the refusal counts.
        given.extend(context.resources.kmflow.for_group(group).id for group in groups)

    @dg.job(resource_defs={"kmflow": ContextResource(overrides=sensors.overrides)})
    def asking() -> None:
        ask()

    result = asking.execute_in_process(instance=sensors.instance, tags=tags, raise_on_error=False)
    said = "".join(
        event.step_failure_data.error_display_string
        for event in result.all_events
        if event.is_step_failure
    )
    run = sensors.instance.get_run_by_id(result.run_id)
    return given, said, dict(run.tags if run else {})


def test_a_run_of_one_group_never_gets_anothers_context(sensors: SensorWorld) -> None:
    given, said, _ = ask_in_a_run(sensors, ["acme", "globex"], {GROUP_TAG: "acme"})

    assert given == ["acme"]
    assert "GroupMismatch" in said


def test_a_run_without_a_tag_belongs_to_the_first_group_it_asks_for(sensors: SensorWorld) -> None:
    given, said, tags = ask_in_a_run(sensors, ["acme", "acme", "globex"], {})

    assert given == ["acme", "acme"]
    assert "GroupMismatch" in said
    assert tags[GROUP_TAG] == "acme"


def test_a_client_is_one_groups_and_one_versions(room) -> None:
    groups = GroupsInRoom(room)
    acme, globex = groups.config("acme"), groups.config("globex")

    first, theirs = groups.clients.get(acme), groups.clients.get(globex)
    assert first is groups.clients.get(acme)
    assert first is not theirs
    first.client.current_user.me()
    newer = groups.clients.get(replace(acme, version=2))
    assert newer is not first
    assert groups.clients.get(globex) is theirs
    assert (
        newer.client.current_user.me().user_name,
        theirs.client.current_user.me().user_name,
    ) == (
        "acme-service",
        "globex-service",
    )
    groups.close()


def test_a_link_into_a_neighbours_landing_is_quarantined(
    new_place: Callable[[str], LandingPlace],
) -> None:
    acme, globex = new_place("acme"), new_place("globex")
    target = globex.drop("e1/loans.csv", "of globex")
    before = target.stat()
    (acme.root / "e1").mkdir()
    (acme.root / "e1" / "loans.csv").symlink_to(target)
    (acme.root / "e1" / "all").symlink_to(globex.root, target_is_directory=True)
    (acme.root / "e2").symlink_to(globex.root / "e1", target_is_directory=True)

    acme.take_in()

    refused = {one.path: one.code for one in acme.ledger.quarantined(ACME)}
    # A link beside the engagements is in none of them.
    assert refused == {
        "e1/all": "path_trick",
        "e1/loans.csv": "path_trick",
        "e2": "no_engagement",
    }
    assert (acme.store.sent, acme.items()) == ([], [])
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (b"of globex", before.st_mtime_ns)
    globex.take_in()
    assert globex.item("loans.csv").state is State.STORED


@pytest.fixture
def world(tmp_path: Path, control_database: NewDatabase) -> ProfileWorld:
    made = ProfileWorld(control_database(tmp_path / "control.db"))
    made.add_table_group(GLOBEX, "e1")
    return made


@pytest.fixture
def caller(world: ProfileWorld, serve: Callable[..., Caller]) -> Caller:
    return serve(world.keys)


def findings(world: ProfileWorld, run: ProfileRun) -> tuple[object, ...]:
    return (
        world.read(run),
        world.runs.events(run.group_id, run.profile_run_id),
        world.findings.anomalies(run.group_id, run.profile_run_id),
    )


def test_a_token_of_one_run_ends_no_other(caller: Caller, world: ProfileWorld) -> None:
    mine = world.submit(1)
    theirs = world.queue(2, GLOBEX)
    was = findings(world, mine), findings(world, theirs)

    token = caller.headers(mine)
    urls = [
        caller.settings.url(theirs),
        caller.settings.url(theirs).replace("group_id=globex", "group_id=acme"),
        caller.settings.url(mine).replace(mine.profile_run_id, theirs.profile_run_id),
    ]
    answers = [caller.client.post(url, json={"status": "completed"}, headers=token) for url in urls]

    assert [one.status_code for one in answers] == [403, 403, 403]
    assert len({one.text for one in answers}) == 1
    assert (findings(world, mine), findings(world, theirs)) == was


def test_another_groups_configuration_starts_nothing(world: ProfileWorld) -> None:
    """Nothing of the platform is even at hand: reaching for it would be another error."""
    nothing: object = object()

    with pytest.raises(GroupMismatch):
        start_profile(
            ACME,
            E1,
            runs=world.runs,
            table_groups=nothing,
            jobs=nothing,
            lakehouse=nothing,
            config=group_config("globex"),
            callback=CallbackSettings(),
            clock=world.clock,
        )

    assert world.runs.latest(ACME) == world.runs.latest(GLOBEX) == []
