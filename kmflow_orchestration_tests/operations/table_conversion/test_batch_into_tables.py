"""A folder's files become tables of their group, each for itself (rows D12, D13)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kmflow_orchestration.errors import GroupMismatch, InvalidOptions, KmflowError
from kmflow_orchestration.operations.convert.convert_folder import FileTask, convert_task
from kmflow_orchestration.operations.convert.file_outcomes import FolderOutcome
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.table_conversion.carrier import plan_tables
from kmflow_orchestration_tests.operations.table_conversion.conftest import SCHEMA, World

Batch = Callable[..., FolderOutcome]


@pytest.fixture
def mark() -> str:
    """A word for names that no other test has."""
    return f"b{uuid4().hex[:8]}"


@pytest.fixture
def batch(world: World, tmp_path: Path) -> Batch:
    def call(**given: Any) -> FolderOutcome:
        given_source = given.pop("source", "")
        settings = {name: given.pop(name) for name in ("resume", "dry_run") if name in given}
        looking = {name: given.pop(name) for name in ("max_files",) if name in given}
        options = conversion_options({"format_type": "delta", "table": SCHEMA, **given})
        source = given_source or str(tmp_path / "in")
        plan, chosen, carrier = plan_tables(
            source, options, tables=world.tables, recursive=True, **looking
        )
        # In this process: that files get others of their own, the command's tests show.
        tasks = [
            FileTask(one, chosen, settings.get("resume", True), settings.get("dry_run", False))
            for one in plan.files
        ]
        return FolderOutcome.of(plan, [carrier.carry(one, convert_task) for one in tasks])

    return call


def files(folder: Path, **contents: str) -> None:
    for name, text in contents.items():
        path = folder / "in" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".csv").write_text(text)


def test_each_file_is_a_table_and_its_changes_replace_it(
    world: World, batch: Batch, tmp_path: Path, mark: str
) -> None:
    files(tmp_path, **{f"{mark} One": "id\n1\n", f"sub__{mark}-two": "id\n2\n"})

    planned, first, second = batch(dry_run=True), batch(), batch()
    files(tmp_path, **{f"{mark} One": "id\n1\n3\n"})
    third = batch()

    assert [one.outputs for one in first.files] == [
        *((f"{SCHEMA}.{mark}_one",), (f"{SCHEMA}.sub_{mark}_two",)),
    ]
    assert [one.outputs for one in planned.files] == [one.outputs for one in first.files]
    counts = [one.counts for one in (planned, first, second, third)]
    assert counts == [
        *({"planned": 2}, {"converted": 2}, {"unchanged": 2}, {"converted": 1, "unchanged": 1}),
    ]
    assert world.rows(f"{SCHEMA}.{mark}_one")["id"].to_pylist() == [1, 3]
    assert not (tmp_path / "in_converted").exists()


def test_files_of_a_volume_become_tables(
    world: World, batch: Batch, tmp_path: Path, mark: str
) -> None:
    place = world.tables.places.config.volume.joined("in", f"{mark}.csv")
    world.tables.volumes.access.upload(place, lambda: io.BytesIO(b"id\n1\n2\n"))

    done, again = batch(source=place.parent.text), batch(source=place.parent.text)

    assert [done.files[0].outputs, done.counts] == [(f"{SCHEMA}.{mark}",), {"converted": 1}]
    assert again.counts == {"unchanged": 1}
    assert world.rows(f"{SCHEMA}.{mark}").num_rows == 2


def test_what_another_made_is_left_and_the_other_files_go_on(
    world: World, batch: Batch, tmp_path: Path, mark: str
) -> None:
    theirs = f"{SCHEMA}.{mark}_a"
    world.tables.statements.execute(f"CREATE TABLE {theirs} (x STRING) USING DELTA")
    files(tmp_path, **{f"{mark}_a": "id\n1\n", f"{mark}_b": "id\n1\n"})

    planned, done = batch(dry_run=True), batch()

    assert [one.code for one in planned.files] == ["KM-CONVERT-006", ""]
    assert [one.code for one in done.files] == ["KM-CONVERT-006", ""]
    assert world.rows(theirs).schema.names == ["x"]


def test_files_that_come_out_alike_get_names_of_their_own_whatever_the_limit(
    batch: Batch, tmp_path: Path, mark: str
) -> None:
    files(tmp_path, **{f"{mark} a": "id\n1\n", f"{mark}-a": "id\n1\n"})

    both, first = batch(dry_run=True), batch(dry_run=True, max_files=1)

    names = [one.outputs for one in both.files]
    assert len(set(names)) == 2
    assert [one.outputs for one in first.files] == names[:1]


@pytest.mark.parametrize(
    ("table", "kind"),
    [("kmflow.globex_evidence", GroupMismatch), (f"{SCHEMA}.a", InvalidOptions)],
)
def test_a_batch_names_a_schema_of_its_group(
    batch: Batch, tmp_path: Path, table: str, kind: type[KmflowError]
) -> None:
    files(tmp_path, a="id\n1\n")

    with pytest.raises(kind):
        batch(table=table)


def test_a_file_named_as_a_table_of_the_product_ends_the_batch_before_it_begins(
    world: World, batch: Batch, tmp_path: Path
) -> None:
    files(tmp_path, **{"Evidence Metadata": "id\n1\n"})

    with pytest.raises(KmflowError, match="the product's own"):
        batch(force=True)
    assert world.uploads() == 0
