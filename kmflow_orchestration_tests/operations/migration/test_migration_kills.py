"""Killed with SIGKILL at any step and resumed, a migration ends like an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.migration.child import Home, killed_at, steps_of
from kmflow_orchestration_tests.operations.migration.world import ACME, MigrationWorld

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("migration")]
FILES = 20


def source_of(world: MigrationWorld, root: Path, e: str, clock) -> Path:
    """The group's own store with many files of one engagement, and a duplicate."""
    place = LandingPlace(root, clock, ACME, world.parts.database_url)
    for number in range(FILES):
        place.drop(f"{e}/{number:02}.csv", f"{number} of {e:>6}")
    place.drop(f"{e}/copy.csv", f"0 of {e:>6}")
    place.take_in()
    return place.store._root


def end_of(world: MigrationWorld, e: str) -> tuple[object, ...]:
    """Files, rows and items in the end, without the engagement's own name."""
    rows = [(row.file_name, row.size_bytes) for row in world.rows(e)]
    found = world.parts.moved.of_content(ACME, {row.content_hash for row in world.rows(e)})
    items = [(item.file_name, item.backend, str(item.state)) for item in found]
    paths = {row.id: row.path for row in world.rows(e)}
    assert {item.item_id: item.stored_path for item in found} == paths
    contents = sorted(text.replace(f"{e:>6}", "") for text in world.stored(e).values())
    return sorted(rows), sorted(items), contents


def test_killed_at_any_step_and_resumed_it_ends_like_undisturbed(
    world: MigrationWorld, tmp_path: Path, clock
) -> None:
    home = Home(world.parts.config, world.groups.environment, world.parts.database_url)
    whole = world.engagement()
    steps = steps_of(home, source_of(world, tmp_path / "whole" / "home", whole, clock))
    expected = end_of(world, whole)
    assert steps >= 2 * FILES + 8

    for step in (1, 3, 5, 14, steps // 2, steps - 7, steps - 5, steps - 3, steps - 1, steps):
        e = world.engagement()
        source = source_of(world, tmp_path / f"at{step}" / "home", e, clock)
        world.forget_requests()
        killed_at(home, source, step)
        there, begun = len(world.stored(e)), world.sent()
        world.forget_requests()

        done = world.parts.migrate(source, resume=True)

        assert done.failed == ()
        assert end_of(world, e) == expected, step
        # What was sent whole is not sent again: only files in the flight of two workers may be.
        assert (world.sent(), there + world.sent()) == (FILES - there, FILES), step
        assert begun + world.sent() <= FILES + 2, step
        world.forget_requests()
        assert world.parts.migrate(source).moved_items == 0
        assert world.sent() == 0
