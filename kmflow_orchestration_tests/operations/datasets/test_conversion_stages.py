"""What conversion and fragments leave in the stage metrics (row B37)."""

from __future__ import annotations

from kmflow_orchestration.intake.ledger import Step
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld


def counts(world: DatasetWorld) -> dict[Step, tuple[int, int, int, str]]:
    return {
        one.stage: (one.input_count, one.output_count, one.error_count, one.error_type)
        for one in world.place.ledger.stages.all(world.place.group)
    }


def test_a_file_that_cannot_be_converted_is_an_error_of_its_stage_on_every_run(
    world: DatasetWorld,
) -> None:
    world.drop("broken.xlsx", b"PK\x03\x04 and no more")
    world.drop("notes.md", "# Title\n\nSome words about the process, more than a few of them.\n")
    world.arrive(loans="a,b\n1,2\n3,4\n")
    world.publish_fragments()
    first = counts(world)

    world.publish()
    world.publish_fragments()

    assert counts(world) == first
    assert first[Step.STORED] == (3, 3, 0, "")
    assert first[Step.DATASETS] == (3, 2, 1, "corrupt")
    assert first[Step.FRAGMENTS][0] == 2
    assert first[Step.FRAGMENTS][1] >= 1
