"""Row B36 as an asset: what it lists is what `kmflow inventory` lists, and problems are a check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.operations.take_inventory import take_inventory
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import EVIDENCE_INVENTORY
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld


@pytest.fixture
def world(tmp_path: Path, control_database: Any) -> Iterator[SensorWorld]:
    with SensorWorld(tmp_path, control_database(tmp_path / "control.db")) as made:
        for group in ("acme", "globex"):
            made.add_group(group)
            made.drop(group, f"{group}-1/a.csv", f"id\n{group}\n")
        made.drop("acme", "e0/deep/er/b, c.csv", "x\n")
        made.instance.add_dynamic_partitions(GROUPS.name or "", ["acme", "globex"])
        yield made


def inventory(
    world: SensorWorld, group: str = "acme", *, of_store: bool = False
) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_implicit_global_asset_job_def()
    step = "evidence__evidence_inventory"
    return job.execute_in_process(
        instance=world.instance,
        asset_selection=[EVIDENCE_INVENTORY],
        partition_key=group,
        run_config={"ops": {step: {"config": {"of_store": of_store}}}},
        raise_on_error=False,
    )


def told(result: dg.ExecuteInProcessResult) -> tuple[dict[str, Any], dg.AssetCheckEvaluation]:
    """Metadata of the asset, and its check."""
    assert result.success
    (event,) = result.asset_materializations_for_node("evidence__evidence_inventory")
    (check,) = result.get_asset_check_evaluations()
    return {name: value.value for name, value in event.metadata.items()}, check


def test_it_writes_what_the_command_writes_and_counts_it(world: SensorWorld) -> None:
    metadata, check = told(inventory(world))

    landing = world.home / "landing" / "acme"
    written = json.loads(Path(metadata["inventory"]).read_text())
    assert written == take_inventory(landing).as_dict()
    assert [one["path"] for one in written["files"]] == ["acme-1/a.csv", "e0/deep/er/b, c.csv"]
    names = ("files", "bytes", "engagements", "problems")
    assert {name: metadata[name] for name in names} == {
        "files": 2,
        "bytes": 10,
        "engagements": 2,
        "problems": 0,
    }
    assert check.passed


def test_a_problem_fails_the_check_and_the_next_run_is_whole_again(world: SensorWorld) -> None:
    broken = world.home / "landing" / "acme" / "e0" / "broken.csv"
    broken.symlink_to(world.home / "nothing")

    result = inventory(world)
    metadata, check = told(result)
    (event,) = result.asset_materializations_for_node("evidence__evidence_inventory")
    table = event.metadata["problems_found"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [dict(one.data) for one in table.records] == [
        {"path": "e0/broken.csv", "code": "broken_link", "message": "a link to nothing"}
    ]
    assert (metadata["files"], metadata["problems"], check.passed) == (2, 1, False)
    assert check.metadata["where"].value == ["e0/broken.csv: broken_link"]
    file = Path(metadata["inventory"])
    assert [one["code"] for one in json.loads(file.read_text())["problems"]] == ["broken_link"]

    broken.unlink()
    assert told(inventory(world))[1].passed
    assert json.loads(file.read_text())["problems"] == []
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_each_group_has_its_own_file_of_its_own_files(world: SensorWorld) -> None:
    mine, theirs = (told(inventory(world, group))[0] for group in ("acme", "globex"))
    assert Path(mine["inventory"]).parent.name == "acme"
    listed = json.loads(Path(theirs["inventory"]).read_text())["files"]
    assert [one["path"] for one in listed] == ["globex-1/a.csv"]


def test_the_store_is_listed_when_asked_for_and_a_folder_that_is_gone_fails_the_run(
    world: SensorWorld,
) -> None:
    world.context.group(world.add_group("initech")).store.write("e1", "s.txt", b"stored")
    world.instance.add_dynamic_partitions(GROUPS.name or "", ["initech"])
    metadata, _ = told(inventory(world, "initech", of_store=True))
    (file,) = json.loads(Path(metadata["inventory"]).read_text())["files"]
    assert (file["engagement"], file["bytes"]) == ("e1", 6)

    world.lose_landing("initech")
    assert not inventory(world, "initech").success
