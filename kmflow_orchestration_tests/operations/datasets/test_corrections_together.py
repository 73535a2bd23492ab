"""Corrections together with what else acts on tables: profiles, other corrections, odd names."""

from __future__ import annotations

from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import TableGroupId
from kmflow_orchestration.operations.changed_tables import note_changed_tables
from kmflow_orchestration.operations.dataset_writing import WrittenTable
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.operations.datasets.corrections_world import correct, replay
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld


def test_a_table_that_a_correction_retypes_is_to_be_profiled_again(world: DatasetWorld) -> None:
    """The same batch writes it again, with as many rows."""
    groups = TableGroups(open_sessions(engine_of(world.place.database_url)))
    clock = world.place.clock

    def note(batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
        at = clock.now()
        note_changed_tables("acme", batch_id, tables, table_groups=groups, at=at, cron="")

    def changed() -> list[object]:
        table_group = TableGroupId(world.engagement)
        return [one.changed_at for one in groups.tables(world.place.group, table_group)]

    world.drop("zip.csv", "id,zip\n1,5\n")
    world.take_in(on_written=note)
    assert changed() == [clock.now()]
    clock.advance(60)
    correct(world, target="zip.zip", type_word="text")
    replay(world, on_written=note)

    assert changed() == [clock.now()]
