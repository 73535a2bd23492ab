"""Every Dagster resource, asked for globex within a run that is acme's.

Resources, their members and the functions beside them are found, not listed: a new one fails here
until it is either tried or said why it is nobody's.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration import resources
from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.output_checks import output_uploaded_check
from kmflow_orchestration.resources.task_outputs import KmflowOutputIOManager
from kmflow_orchestration_tests.isolation.shared_world import (
    ACME,
    GLOBEX,
    SECRET_TEXT,
    SharedWorld,
)

RESOURCE_ATTEMPTS = {
    "for_group": lambda kmflow: kmflow.for_group(GLOBEX),
    "databricks_client": lambda kmflow: kmflow.databricks_client(GLOBEX),
}
RESOURCE_OF_THE_RUN = {
    "group_of_run": "the tag of the run",
    "run_name": "the same",
    "run_began_at": "a moment",
    "context": "the root, for sensors, which look after every group; assets take for_group",
    "yield_for_execution": "opens the resource",
}
MANAGER_MEMBERS = {
    "handle_output": "tried here",
    "load_input": "tried here",
    "kmflow": "the context of the run, tried here",
    "yield_for_execution": "opens the resource",
}
BESIDE_THEM = {
    "ContextResource": "tried here, member by member",
    "KmflowOutputIOManager": "tried here, member by member",
    "output_uploaded_check": "tried here",
    "kmflow_output": "declares an asset; its output is tried here",
    "PostgresStorage": "Dagster's own storage, of all groups' runs",
    "clean_texts": "removes secrets from what an asset says",
    "is_clean": "the same",
    "clean_function": "the same",
    "clean_errors": "the same",
    "clean_metadata": "the same",
    "clean_event": "the same",
    "retry_transient": "makes steps ask for a retry",
    "is_retried": "the same",
    "failing_as_dagster": "turns an error into a step's failure",
    "reported": "words for an outcome it is handed",
    "failed_upload": "words for a failure it is handed",
}
# What pydantic adds, and settings of the process that the code location gives.
_PYDANTIC = {"model_config", "model_fields", "model_post_init", "model_computed_fields"}
_FIELDS = {"overrides"}


def public(owner: type) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")} - _PYDANTIC - _FIELDS


def found() -> Iterator[str]:
    """Public classes and functions that the modules of the package define."""
    for one in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}."):
        module = importlib.import_module(one.name)
        for name, thing in vars(module).items():
            is_code = inspect.isclass(thing) or inspect.isfunction(thing)
            # Names in brackets are pydantic's, of a base with its parameter.
            if is_code and thing.__module__ == one.name and name.isidentifier() and name[0] != "_":
                yield name


def test_every_member_of_the_resources_is_accounted_for() -> None:
    assert {*found()} == BESIDE_THEM.keys()
    assert public(ContextResource) == RESOURCE_ATTEMPTS.keys() | RESOURCE_OF_THE_RUN.keys()
    assert public(KmflowOutputIOManager) == MANAGER_MEMBERS.keys()


@pytest.fixture(autouse=True)
def untouched(world: SharedWorld) -> Iterator[None]:
    yield
    assert world.of_globex() == world.had


def overrides(world: SharedWorld) -> dict[str, str]:
    settings = world.context.settings
    own = {"home": str(world.home), "storage_backend": "local"}
    return {**own, "database_url": settings.control_database_url}


def failed_steps(result: dg.ExecuteInProcessResult) -> str:
    return "".join(
        event.step_failure_data.error_display_string + repr(event.step_failure_data)
        for event in result.all_events
        if event.is_step_failure
    )


@pytest.mark.parametrize("member", RESOURCE_ATTEMPTS)
def test_a_resource_in_a_run_of_acme_hands_out_nothing_of_globex(
    world: SharedWorld, member: str
) -> None:
    handed: list[object] = []

    @dg.op(required_resource_keys={"kmflow"})
    def ask(context) -> None:  # type: ignore[no-untyped-def]
        handed.append(RESOURCE_ATTEMPTS[member](context.resources.kmflow))

    @dg.job(resource_defs={"kmflow": ContextResource(overrides=overrides(world))})
    def asking() -> None:
        ask()

    result = asking.execute_in_process(tags={GROUP_TAG: ACME}, raise_on_error=False)
    assert handed == []
    assert "GroupMismatch" in failed_steps(result)


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def plans() -> str:
    return "acme's"


@dg.asset(partitions_def=GROUPS, io_manager_key="kmflow_output")
def reader(context: dg.AssetExecutionContext, plans: Any) -> str:
    context.log.info("%s", plans)
    return "read"


@dg.asset(io_manager_key="kmflow_output")
def drafts() -> str:
    """globex has one that could not be uploaded."""
    return "acme's"


def run_of_acme(
    world: SharedWorld, asset: str, partition: str
) -> tuple[dg.ExecuteInProcessResult, list[Any]]:
    manager = KmflowOutputIOManager(overrides=overrides(world))
    definitions = dg.Definitions(assets=[plans, reader], resources={"kmflow_output": manager})
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(GROUPS.name), [ACME, GLOBEX])
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset)],
            tags={GROUP_TAG: ACME},
            raise_on_error=False,
        )
        return result, list(result.all_events)


@pytest.mark.parametrize("asset", ["plans", "reader"], ids=["handle_output", "load_input"])
def test_a_run_of_acme_neither_writes_nor_reads_outputs_of_globex(
    world: SharedWorld, asset: str
) -> None:
    """globex has an output of `plans`; its partition is none of a run that is acme's."""
    result, events = run_of_acme(world, asset, GLOBEX)
    assert not result.success
    assert "GroupMismatch" in failed_steps(result)
    assert SECRET_TEXT not in repr(events)


def test_the_newest_output_of_globex_is_never_acmes_input(world: SharedWorld) -> None:
    result, events = run_of_acme(world, "reader", ACME)
    assert "UnknownOutput" in failed_steps(result)
    assert SECRET_TEXT not in repr(events)


def test_a_check_in_a_run_of_acme_is_about_acmes_uploads(world: SharedWorld) -> None:
    manager = KmflowOutputIOManager(overrides=overrides(world))
    definitions = dg.Definitions(
        assets=[drafts],
        asset_checks=[output_uploaded_check(drafts)],
        jobs=[dg.define_asset_job("judge", dg.AssetSelection.checks_for_assets(drafts))],
        resources={"kmflow_output": manager},
    )
    judged = {
        group: definitions.resolve_job_def("judge")
        .execute_in_process(tags={GROUP_TAG: group})
        .get_asset_check_evaluations()[0]
        for group in (ACME, GLOBEX)
    }
    assert (judged[ACME].passed, judged[GLOBEX].passed) == (True, False)
    assert world.theirs.failure.failure_id in repr(judged[GLOBEX])
    assert world.theirs.failure.failure_id not in repr(judged[ACME])
