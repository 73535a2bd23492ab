"""Row G15: somebody's own project, where one line sends an asset's value to its group's Volume."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from kmflow_orchestration.errors import AccessRefused, UnknownGroup
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.retry_outputs import retry_outputs
from kmflow_orchestration.partitions.keys import GROUP, GROUP_TAG, GROUPS, RUN_NAME_TAG
from kmflow_orchestration.resources.output_checks import output_uploaded_check
from kmflow_orchestration.resources.task_outputs import KmflowOutputIOManager, kmflow_output
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.embedded import embedded_server, room
from kmflow_orchestration_tests.output_world import OutputWorld

__all__ = ["embedded_server", "room"]
FILES = "/api/2.0/fs/files/*"
REGIONS = dg.MultiPartitionsDefinition(
    {GROUP: GROUPS, "region": dg.StaticPartitionsDefinition(["eu", "us"])}
)
DAYS = dg.MultiPartitionsDefinition(
    {"day": dg.DailyPartitionsDefinition("2026-01-01"), GROUP: GROUPS}
)


# A user's own project: it knows of us what it imports, and nothing else.


@kmflow_output(file_format="csv", partitions_def=GROUPS)
def open_loans(context: dg.AssetExecutionContext) -> list[dict[str, Any]]:
    return [{"loan": "007", "owner": context.partition_key}]


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def report(open_loans: list[dict[str, Any]]) -> dict[str, Any]:
    return {"loans": len(open_loans), "owner": open_loans[0]["owner"]}


@kmflow_output(file_format="parquet", volume_path="users.acme.tables", partitions_def=GROUPS)
def amounts() -> pd.DataFrame:
    return pd.DataFrame({"amount": [1.5, 2.5], "at": pd.to_datetime(["2026-01-01", None])})


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def total(amounts: pa.Table) -> float:
    assert amounts.schema.field("at").type == pa.timestamp("ns")
    return float(sum(amounts.column("amount").to_pylist()))


@dg.asset(partitions_def=REGIONS, io_manager_key="kmflow_output")
def by_region(context: dg.AssetExecutionContext) -> str:
    return str(context.partition_key)


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def regions(by_region: dict[str, str]) -> dict[str, str]:
    return by_region


@kmflow_output(partitions_def=DAYS)
def daily() -> int:
    return 7


@dg.asset(io_manager_key="kmflow_output", metadata={"kmflow/output": {"file_format": "txt"}})
def note() -> str:
    return "no partition tells of a group here"


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def chosen_at_run_time(context: dg.AssetExecutionContext) -> list[int]:
    context.add_output_metadata({"kmflow/output": {"file_format": "csv"}})
    return [1, 2]


@kmflow_output(on_upload_error="warn", partitions_def=GROUPS)
def fragile() -> dict[str, int]:
    return {"n": 1}


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def after_fragile(fragile: dict[str, int]) -> int:
    return fragile["n"]


@kmflow_output(enabled=False, partitions_def=GROUPS)
def kept_by_nobody() -> int:
    return 1


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def after_nobody(kept_by_nobody: int) -> int:
    return kept_by_nobody


@dg.asset(
    partitions_def=GROUPS,
    io_manager_key="kmflow_output",
    metadata={"kmflow/output": {"token": "dapi-pasted", "group": "globex"}},
)
def with_a_token() -> int:
    return 1


ASSETS = [
    open_loans,
    report,
    amounts,
    total,
    by_region,
    regions,
    daily,
    note,
    chosen_at_run_time,
    fragile,
    after_fragile,
    kept_by_nobody,
    after_nobody,
    with_a_token,
]
CHECKS = [output_uploaded_check(fragile), output_uploaded_check(note)]


class Project:
    """The user's Definitions on an instance, with two groups on one embedded workspace."""

    def __init__(self, world: OutputWorld, instance: dg.DagsterInstance) -> None:
        self.world = world
        self.instance = instance
        manager = KmflowOutputIOManager(overrides=world.overrides)
        self.definitions = dg.Definitions(
            assets=ASSETS, asset_checks=CHECKS, resources={"kmflow_output": manager}
        )

    def run(
        self, *assets: dg.AssetsDefinition, partition: str | None = None, **tags: str
    ) -> dg.ExecuteInProcessResult:
        named = {"group": GROUP_TAG, "name": RUN_NAME_TAG}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[asset.key for asset in assets],
            partition_key=partition,
            tags={named[name]: value for name, value in tags.items()},
            raise_on_error=False,
        )

    def break_uploads(self, *, status: int = 403, times: int = 1, after: int = 0) -> None:
        assert self.world.room is not None
        code = {403: "PERMISSION_DENIED", 500: "INTERNAL_ERROR"}[status]
        self.world.room.server.faults.add(
            Fault(
                "fail_times",
                method="PUT",
                path=FILES,
                times=times,
                after=after,
                status=status,
                error_code=code,
            )
        )


def metadata_of(result: dg.ExecuteInProcessResult, asset: dg.AssetsDefinition) -> Mapping[str, Any]:
    (event,) = result.asset_materializations_for_node(asset.op.name)
    return {name: value.value for name, value in event.metadata.items()}


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step said; '' when none did."""
    for event in result.all_events:
        if event.is_step_failure:
            told = event.step_failure_data.user_failure_data
            return f"{told.description if told else event.step_failure_data.error_display_string}"
    return ""


@pytest.fixture
def project(room: Any, tmp_path: Path, control_database: NewDatabase) -> Iterator[Project]:
    address = control_database(tmp_path / "control.db")
    with (
        OutputWorld(tmp_path, room=room, database_url=address) as world,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        for group in ("acme", "globex"):
            world.group(group)
        instance.add_dynamic_partitions(str(GROUPS.name), ["acme", "globex"])
        yield Project(world, instance)


def test_a_value_lands_in_the_volume_of_its_partitions_group(project: Project) -> None:
    runs = {group: project.run(open_loans, report, partition=group) for group in ("acme", "globex")}

    assert all(run.success for run in runs.values())
    for group, run in runs.items():
        for asset, content in (
            (open_loans, f'"loan","owner"\n"007","{group}"\n'.encode()),
            (report, json.dumps({"loans": 1, "owner": group}, indent=2).encode()),
        ):
            path = metadata_of(run, asset)["kmflow/path"]
            assert path.startswith(f"/Volumes/users/{group}/outputs/{run.run_id}/")
            assert project.world.file_of(group, path).read_bytes() == content
    assert len(project.world.on_disk()) == 4


def test_the_materialization_tells_all_about_it(project: Project) -> None:
    found = metadata_of(project.run(open_loans, partition="acme"), open_loans)

    file = project.world.file_of("acme", found["kmflow/path"])
    assert found["kmflow/size_bytes"] == file.stat().st_size == 28
    assert found["kmflow/size_mb"] == 28 / 1024**2
    assert (found["kmflow/format"], found["kmflow/upload"]) == ("csv", "done")
    assert found["kmflow/formula_cells"] == 0
    assert len(found["kmflow/sha256"]) == 64
    assert project.world.room is not None
    place = found["kmflow/path"].removeprefix("/Volumes/")
    assert found["kmflow/view"] == (f"{project.world.room.url}/explore/data/volumes/{place}")
    resolved = found["kmflow/resolved"]
    assert resolved["file_format"] == {"value": "csv", "from": "task"}
    assert resolved["volume_path"] == {"value": "/Volumes/users/acme/outputs", "from": "group"}
    assert resolved["verify"] == {"value": "size", "from": "default"}


def test_a_table_comes_back_as_the_reader_wants_it(project: Project) -> None:
    run = project.run(amounts, total, partition="acme")

    assert run.success
    assert metadata_of(run, amounts)["kmflow/path"].startswith("/Volumes/users/acme/tables/")


def test_a_value_is_read_by_a_later_run(project: Project) -> None:
    project.run(open_loans, partition="acme")
    project.run(open_loans, partition="globex")

    later = project.run(report, partition="acme")

    assert later.success
    path = metadata_of(later, report)["kmflow/path"]
    assert json.loads(project.world.file_of("acme", path).read_bytes())["owner"] == "acme"


def test_an_asset_of_one_group_never_reads_anothers_value(project: Project) -> None:
    project.run(open_loans, partition="globex")

    run = project.run(report, partition="acme")

    assert "KM-OUTPUT-005" in failure_of(run)
    assert len(project.world.on_disk()) == 1


def test_several_partitions_are_read_as_values_by_key(project: Project) -> None:
    for key in ("acme|eu", "acme|us", "globex|eu"):
        assert project.run(by_region, partition=key).success

    run = project.run(regions, partition="acme")

    path = metadata_of(run, regions)["kmflow/path"]
    assert json.loads(project.world.file_of("acme", path).read_bytes()) == {
        "acme|eu": "acme|eu",
        "acme|us": "acme|us",
    }


def test_the_date_is_the_partitions(project: Project) -> None:
    run = project.run(daily, partition="2026-02-03|acme")

    assert metadata_of(run, daily)["kmflow/path"] == (
        f"/Volumes/users/acme/outputs/{run.run_id}/2026/02/03/daily.json"
    )


def test_without_a_partition_the_runs_tag_tells_the_group(project: Project) -> None:
    run = project.run(note, group="globex", name="nightly")

    path = metadata_of(run, note)["kmflow/path"]
    assert path.startswith("/Volumes/users/globex/outputs/nightly/")
    assert path.endswith("/note.txt")


def test_a_run_that_tells_no_group_sends_nothing(project: Project) -> None:
    run = project.run(note)

    assert "KM-CONFIG-003" in failure_of(run)
    assert project.world.on_disk() == {}


def test_a_run_of_one_group_cannot_write_for_another(project: Project) -> None:
    run = project.run(open_loans, partition="acme", group="globex")

    assert "KM-GROUP-001" in failure_of(run)
    assert project.world.on_disk() == {}


def test_an_unknown_or_disabled_group_is_named(project: Project) -> None:
    project.instance.add_dynamic_partitions(str(GROUPS.name), ["nobody"])
    with pytest.raises(UnknownGroup):
        project.world.group("globex", enabled=False)

    for group, code in (("nobody", "KM-CONFIG-002"), ("globex", "KM-CONFIG-006")):
        assert code in failure_of(project.run(open_loans, partition=group))
    assert project.world.on_disk() == {}


def test_a_run_that_is_named_overwrites_its_last_one(project: Project) -> None:
    first, second = (
        metadata_of(project.run(note, group="acme", name="nightly"), note) for _ in range(2)
    )

    assert first["kmflow/path"] == second["kmflow/path"]
    assert len(project.world.on_disk()) == 1


def test_a_step_may_say_so_while_it_runs(project: Project) -> None:
    found = metadata_of(project.run(chosen_at_run_time, partition="acme"), chosen_at_run_time)

    assert found["kmflow/format"] == "csv"


def test_a_token_in_metadata_is_refused_and_not_shown(project: Project) -> None:
    run = project.run(with_a_token, partition="acme")

    said = failure_of(run)
    assert "token: is the group's" in said
    assert "group: is unknown" in said
    events = "".join(str(event.message) for event in run.all_events)
    assert "dapi-pasted" not in said + events
    assert project.world.on_disk() == {}


@pytest.mark.slow
def test_a_workspace_that_fails_four_times_fails_the_step(project: Project) -> None:
    project.break_uploads(status=500, times=4)

    run = project.run(open_loans, partition="acme")

    assert not run.success
    assert "gave up after 3 attempts" in failure_of(run)
    (failure,) = project.world.context.upload_failures.open(GroupId("acme"))
    assert failure.file.dagster_run_id == run.run_id
    attempts = [
        entry.user_message
        for entry in project.instance.all_logs(run.run_id)
        if entry.user_message.startswith("attempt ")
    ]
    assert [text.partition(",")[0] for text in attempts] == [
        "attempt 1 of 3 failed",
        "attempt 2 of 3 failed",
    ]


def test_a_refusal_fails_the_step_at_the_first_attempt(project: Project) -> None:
    project.break_uploads(times=9)

    run = project.run(open_loans, partition="acme")

    assert AccessRefused.code in failure_of(run)
    assert project.world.room is not None
    assert project.world.room.server.requests("PUT", FILES).count() == 1


def test_a_failed_upload_of_a_failed_step_is_made_good_alone(project: Project) -> None:
    project.break_uploads()
    project.run(open_loans, partition="acme")

    (done,) = retry_outputs(project.world.outbox("acme"))

    assert done.arrived
    assert project.run(report, partition="acme").success


def test_where_it_only_warns_the_step_goes_on_and_says_so(project: Project) -> None:
    project.break_uploads()

    run = project.run(fragile, after_fragile, partition="acme")

    assert run.success
    (failure,) = project.world.context.upload_failures.open(GroupId("acme"))
    found = metadata_of(run, fragile)
    assert (found["kmflow/upload"], found["kmflow/error_code"]) == ("failed", AccessRefused.code)
    assert f"kmflow output retry --group acme --id {failure.failure_id}" in found["kmflow/retry"]
    (observed,) = run.asset_observations_for_node("fragile")
    assert (observed.partition, observed.metadata["kmflow/upload"].value) == ("acme", "failed")
    (check,) = run.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert failure.failure_id in str(check.metadata["failed_uploads"].value)


def test_the_check_passes_once_the_upload_is_made_good(project: Project) -> None:
    project.break_uploads()
    project.run(fragile, partition="acme")
    retry_outputs(project.world.outbox("acme"))

    (check,) = project.run(fragile, partition="acme").get_asset_check_evaluations()

    assert check.passed
    (other,) = project.run(note, group="globex").get_asset_check_evaluations()
    assert other.passed


def test_an_old_value_is_never_taken_for_one_that_could_not_be_uploaded(project: Project) -> None:
    project.run(fragile, partition="acme")
    project.break_uploads()
    project.run(fragile, partition="acme")
    (kept,) = (project.world.home / "upload_spool" / "acme").iterdir()
    kept.write_bytes(b"{}")

    assert "KM-OUTPUT-004" in failure_of(project.run(after_fragile, partition="acme"))


def test_what_nobody_keeps_cannot_be_read(project: Project) -> None:
    run = project.run(kept_by_nobody, after_nobody, partition="acme")

    assert metadata_of(run, kept_by_nobody)["kmflow/upload"] == "not wanted"
    assert "is not uploaded for group acme" in failure_of(run)
    assert project.world.on_disk() == {}


def test_a_range_of_partitions_has_no_one_place(project: Project) -> None:
    job = project.definitions.resolve_implicit_global_asset_job_def()
    ends = {"start": "2026-02-03|acme", "end": "2026-02-05|acme"}

    run = job.execute_in_process(
        instance=project.instance,
        asset_selection=[daily.key],
        tags={f"dagster/asset_partition_range_{name}": key for name, key in ends.items()},
        raise_on_error=False,
    )

    assert "one value for 3 partitions cannot be kept" in failure_of(run)


def test_outputs_of_plain_ops_are_kept_by_run(project: Project) -> None:
    @dg.op(out=dg.Out(io_manager_key="kmflow_output"))
    def produce() -> dict[str, int]:
        return {"n": 1}

    @dg.op
    def consume(value: dict[str, int]) -> None:
        assert value == {"n": 1}

    manager = KmflowOutputIOManager(overrides=project.world.overrides)

    @dg.job(resource_defs={"kmflow_output": manager})
    def plain() -> None:
        consume(produce())

    result = plain.execute_in_process(instance=project.instance, tags={GROUP_TAG: "acme"})

    assert result.success
    (path,) = project.world.on_disk()
    assert path.startswith(f"users/acme/outputs/{result.run_id}/")
    assert path.endswith("/produce.json")


def test_on_this_machine_the_same_line_writes_below_the_home(
    tmp_path: Path, control_database: NewDatabase
) -> None:
    address = control_database(tmp_path / "control.db")
    with (
        OutputWorld(tmp_path, database_url=address) as world,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        world.group("acme")
        instance.add_dynamic_partitions(str(GROUPS.name), ["acme"])

        run = Project(world, instance).run(open_loans, report, partition="acme")

        found = metadata_of(run, report)
        file = world.home / "outputs" / "acme" / found["kmflow/path"].removeprefix("/Volumes/")
        assert found["kmflow/view"] == str(file)
        assert json.loads(file.read_bytes()) == {"loans": 1, "owner": "acme"}


def test_one_line_needs_no_settings_and_reads_none_when_it_loads() -> None:
    definitions = dg.Definitions(
        assets=[open_loans], resources={"kmflow_output": KmflowOutputIOManager()}
    )

    graph = definitions.resolve_asset_graph()
    assert graph.get(open_loans.key).metadata["kmflow/output"] == {"file_format": "csv"}
    with pytest.raises(TypeError):
        kmflow_output(token="dapi-pasted")(lambda: 1)
