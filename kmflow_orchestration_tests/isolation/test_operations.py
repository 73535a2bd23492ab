"""Every operation and every way to start a run, as acme with globex's ids, names and paths.

They are found, not listed, and called by the names of their parameters: one written tomorrow is
tried, or fails here until `at_hand` knows what of globex's it could be asked about. Those that
take a caller are tried in `test_callers`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kmflow_orchestration import jobs, operations, runs
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.operations import convert, table_conversion, volume_conversion
from kmflow_orchestration.operations.convert_evidence import StoredSource
from kmflow_orchestration.operations.correction_requests import CorrectionRequest
from kmflow_orchestration.operations.dataset_writing import WrittenTable
from kmflow_orchestration.operations.evidence_rows import EvidenceRow
from kmflow_orchestration.operations.write_output import TaskOutput
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.job_runner import JobRunner, SubmittedRun
from kmflow_orchestration.runs.local_jobs import LocalJobRunner
from kmflow_orchestration.runs.reconciliation import PolledGroup
from kmflow_orchestration.runs.run_state import Actor
from kmflow_orchestration.storage.evidence_stores import StoredFiles
from kmflow_orchestration.storage.upload_spool import UploadSpool
from kmflow_orchestration_tests.isolation.shared_world import (
    ACME,
    GLOBEX,
    SECRET_TEXT,
    SharedWorld,
    Things,
    called,
)
from kmflow_orchestration_tests.runs.profile_world import DONE

WITHOUT_GROUP = {
    "values in, values out: nothing is at hand to reach with": (
        "lots_of wanted_files converter_pool dataset_key shared_key table_names named_key"
        " stem_of_key knows path_below fits_pattern affected_by correction_facts"
        " correction_sentence no_such_table passwords_of value_shown undecided_in source_of"
        " about_corrections reading_of known_need raised column_type"
        " staged_type staged_types texts_in looked_at first_misfit batch_summary"
        " needed_types table_columns have_same_types can_widen rows_of table_name quiet_collector"
        " column_changes"
        " side_by_side plan_import"
        " with_operators refuse_operators provision_sql score_history_sql reconciliation_sql"
        " file_fields problem_fields totals_fields begin_converter_process"
        " judge job_name job_tags job_settings settings_hash job_parameters platform_state"
        " translate translate_state gave_up anomaly scores grants_sql detail_of remedy_for"
        " read_entries no_progress shown shown_difference side_json table_of clashes estimated_s"
        " grant_sql take_back_sql place_sql spoken is_refusal held_under offending_place"
        " kept_options hands_on refusal is_whole_file table_prefix"
    ),
    "works as the client it is handed, in the place it is told: grants decide": "register_tables",
    "the operator's file or database names the groups": (
        "import_groups import_inputs save_if_changed find_peer_groups"
    ),
    "opens the job runner of one configuration; every method of it is tried here": "open_jobs",
    "one look of poll_outstanding, which is tried here": "poll_run",
    "the child process of one run, in whose folder stands all it gets": (
        "main group_tables ended write_whole"
    ),
    "looks at what it is handed, each thing by itself": "probe_all",
    "writes the download it is handed": "save_download",
    "tells the kind of storage, which is the whole process's": "open_health",
    "the product's own wheel": "build_wheel wheel_hash",
    "reads the folder the operator names": (
        "take_inventory write_inventory hashed inventoried read_inventory"
    ),
    "files of the person at the shell, who names them: no group, no store, no database": (
        "convert_file convert_whole convert_contained convert_folder convert_on_spark plan_folder"
        " convert_task"
        " verify_output inspect_file validate_file"
        " find_earlier find_manifest checked_source find_converter open_source lay_out target_of"
        " format_of work_folder sweep put_in_place write_part convert_apart inspect_apart"
        " validate_apart nothing_left remove_left write_rows column_prints unlocked password_of"
        " parquet_differences text_differences failed_with earlier_manifests"
        " earlier_results agreement read_lock"
        " verify_folder is_batch manifests_below find_stale remove_stale is_summary summary_place"
        " summary_name write_summary write_workbook check_report write_conversion_report"
    ),
    "rows of the item it is handed": "entity_rows",
    "reach Volumes as one group, through its places alone: tried in test_places and by commands": (
        "convert_volume_file plan_volume_folder plan_carried inspect_volume_file"
        " validate_volume_file check_access read_manifest size_of fetch fetched replace_file"
        " verify_volume_output"
    ),
    "reach tables as one group, through its places alone: tried in table_conversion": (
        "convert_to_table plan_tables tables_over own_tables verify_table table_sums"
    ),
    "the cluster's own mount, for whoever runs there": (
        "mounted_volumes is_databricks_environment databricks_environment check_mounted"
    ),
    "signs in as whoever calls it, whose own the connection is": (
        "own_volumes own_settings save_setup sign_in_user known_host"
    ),
    "places and sign-in of the group it is handed: tried by commands": (
        "volumes_over signed_in volume_to_check check_volume"
    ),
    "does the steps it is handed": "all_steps",
    "values in, values out, of a conversion": (
        "conversion_options reader_options flags_of stem_of safe_name distinct kept_columns"
        " provenance_of part_column storable_name trace_result"
        " output_table source_name parts_of expected_rows planned_record manifest_name"
        " contained_folder"
        " is_manifest_name naming_faults percent list_formats formats_markdown import_arrow"
        " serve begin_early kept_process limit_error is_at_memory_limit mapped_bytes"
        " read_schema type_name types_of check_names check_schema arrow_type fitted"
        " not_valid rejects_name plan_of fits delivery_of delivered recorded naming_grants"
        " refuse_extraction most_bytes temporary_files_in"
        " refuse_lock contract_of differences are_same widened holds"
        " locked_types lock_file_of kind_of version_name is_lock_name written_type"
        " check_named file_rows table_rows column_rows report_sheets"
        " tables_of with_forecast"
        " loads_of folder_of part_tables file_tables parquet_options delta_type selected"
        " no_mark_sql verified_sql told source_size copied all_but_the_end"
    ),
}
EXCUSED = {name for names in WITHOUT_GROUP.values() for name in names.split()}
# Writes several tables side by side; which of them is refused first is nobody's to say.
SIDE_BY_SIDE = {"publish_bronze"}
CLASSES: dict[type, Callable[[GroupContext], Any]] = {
    # What the child runs is none of our business here, as long as it ends.
    JobRunner: lambda own: replace(own.jobs, entry_module="platform"),  # type: ignore[type-var]
    UploadSpool: lambda own: own.outbox.spool,
}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not found.ispkg:
            yield importlib.import_module(found.name)


def own(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            yield name, function


FUNCTIONS = {
    name: function
    for package in (operations, convert, volume_conversion, table_conversion, runs, jobs)
    for module in modules(package)
    for name, function in own(module)
    if "caller" not in inspect.signature(function).parameters
}
METHODS = {
    f"{owner.__name__}.{name}": (owner, name)
    for owner in CLASSES
    for name, _ in inspect.getmembers(owner, inspect.isfunction)
    if not name.startswith("_")
}


def doors(world: SharedWorld) -> dict[str, Any]:
    """What leads to things, and is acme's or of a kind that asks for the group each time."""
    acme, context = world.acme, world.context
    return {
        "group": ACME,
        "clock": world.clock,
        "ledger": context.ledger,
        "register": context.register,
        "registry": context.datasets,
        "corrections": context.corrections,
        "runs": context.profile_runs,
        "table_groups": context.table_groups,
        "findings": context.findings,
        "store": acme.store,
        "stores": acme.stores,
        "stored": StoredFiles(acme.stores),
        "backends": {"local": True},
        "lakehouse": acme.lakehouse,
        "outbox": acme.outbox,
        "jobs": acme.jobs,
        "polled": PolledGroup(ACME, acme.jobs, acme.stored_completion),
        "groups": [PolledGroup(ACME, acme.jobs, acme.stored_completion)],
        "landing_root": acme.landing_root,
        "landing": acme.landing_root,
        "evidence": world.context.settings.evidence_root(ACME),
        "calls": None,
        "connect": world.context.clients.get,
    }


def asked_for(world: SharedWorld, things: Things, work_dir: Path) -> dict[str, Any]:
    """What globex has, or nobody."""
    item, now = things.item, world.clock.now()
    source = StoredSource(item.item_id, item.file_name, item.stored_path, item.backend)
    written = WrittenTable(things.table, things.engagement, 1, 1, False, ())
    storing = world.acme.storing()
    return {
        "config": things.config,
        "start_profile.config": world.acme.config,
        "stored_rows.config": world.acme.config,
        "judge_again.config": world.acme.config,
        "namespace": things.config.namespace,
        "stored_profile.namespace": world.acme.config.namespace,
        "day": world.day,
        "at": now,
        "cron": "0 3 * * *",
        "batch": world.context.ledger.stored_batches(GLOBEX, world.day)[0],
        "batch_id": item.batch_id,
        "batches": [item.batch_id],
        "items": [item],
        "away": {},
        "merge_rows.rows": [EvidenceRow.of_item(item, item.stored_path)],
        "item_ids": [item.item_id],
        "write": list,
        "sources": [source],
        "workers": 0,
        "work_dir": work_dir,
        "request": CorrectionRequest(item_id=item.item_id, options={"decimal": ","}),
        "target": f"{things.table.name}.id",
        "word": "integer",
        "held": [],
        "mirrored_file.item": item,
        "traced_table.text": things.table.text,
        "deliver_mirror.backend": "delta",
        "deliver_mirror.lakehouse": lambda: world.acme.lakehouse,
        "deliver_mirror.work_dir": lambda: work_dir,
        "max_size_bytes": storing["max_size_bytes"],
        "verify": "hash",
        "holder": storing["holder"],
        "on_written": lambda *_: None,
        "written": [written],
        "table": things.table,
        "tables": (),
        "undecided_of_tables.tables": (things.table.name,),
        "column": "file_name",
        "run": things.run,
        "profile_run_id": things.run.profile_run_id,
        "databricks_run_id": things.run.databricks_run_id,
        "find": lambda: SubmittedRun(things.run.databricks_run_id or "", ""),
        "completion": DONE,
        "by": Actor.CALLBACK,
        "callback": CallbackSettings(),
        "table_group": things.table_group,
        "table_group_id": things.table_group.table_group_id,
        "job_id": "local",
        "parameters": {},
        "path": things.output.path,
        "task_key": things.output.task_key,
        "dagster_run_id": things.output.dagster_run_id,
        "ids": [things.failure.failure_id],
        "failure_id": things.failure.failure_id,
        "content": b"acme's",
        "output": TaskOutput(
            value="acme's",
            task_key=things.output.task_key,
            execution=Execution(things.output.dagster_run_id, now),
            override={"volume_path": things.output.place},
        ),
    }


def asked(world: SharedWorld, name: str, things: Things, work_dir: Path) -> str:
    known = {**doors(world), **asked_for(world, things, work_dir)}
    if name in FUNCTIONS:
        call = FUNCTIONS[name]
    else:
        owner, method = METHODS[name]
        call = getattr(CLASSES[owner](world.acme), method)
    answer = called(name, call, known)
    assert world.of_globex() == world.had
    return answer.partition(":")[0] if name in SIDE_BY_SIDE else world.told(answer)


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *METHODS} - EXCUSED))
def test_what_is_globexs_is_to_acme_as_if_it_were_nobodys(
    world: SharedWorld, name: str, tmp_path: Path
) -> None:
    theirs = asked(world, name, world.theirs, tmp_path)
    assert SECRET_TEXT not in theirs
    assert theirs == asked(world, name, world.nobodys, tmp_path)


def test_what_is_excused_is_there_and_has_no_door(world: SharedWorld) -> None:
    assert FUNCTIONS.keys() >= EXCUSED
    values = WITHOUT_GROUP[next(iter(WITHOUT_GROUP))].split()
    leading: Mapping[str, Any] = doors(world).keys() - {"clock", "group"}  # type: ignore[assignment]
    for name in values:
        assert not inspect.signature(FUNCTIONS[name]).parameters.keys() & leading, name


def test_the_owner_gets_what_acme_does_not(world: SharedWorld) -> None:
    """The attempts are about things that are there."""
    theirs, globex = world.theirs, world.globex
    assert globex.store.read(theirs.item.stored_path).endswith(f"{SECRET_TEXT}\n".encode())
    assert FUNCTIONS["read_output"](globex.outbox, "plans") == {"of": SECRET_TEXT}
    assert globex.jobs.output(theirs.run.profile_run_id) == SECRET_TEXT
    rows = FUNCTIONS["first_rows"](
        GLOBEX, theirs.table, [theirs.item.batch_id], lakehouse=globex.lakehouse
    )
    assert "plans.csv" in rows.column("file_name").to_pylist()
    assert isinstance(globex.jobs, LocalJobRunner)
