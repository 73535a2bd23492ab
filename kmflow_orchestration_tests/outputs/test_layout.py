"""Row A12 and settlement AB-S1: names become paths, and no name leads anywhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.layout import Execution, output_path, segment
from kmflow_orchestration.outputs.resolve import ResolvedUpload, resolve_upload
from kmflow_orchestration_tests.embedded_groups import group_config

RUN = "3f2b1c9e-5a60-4d1b-8c11-9a8b7c6d5e4f"
MOMENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PLACE = "/Volumes/users/group_a/outputs"
RESOLVED = resolve_upload(
    group_config("acme", catalog="users", volume_enabled=True, volume_path=PLACE), None
)
# Any text that Python has, with what people use for tricks more often than chance would.
NAMES = st.text(min_size=1, max_size=300) | st.text("ab-_./\\% \x00é:", min_size=1, max_size=12)


def path_of(
    task: str = "loans",
    *,
    run: Execution | None = None,
    resolved: ResolvedUpload = RESOLVED,
    written_at: datetime = MOMENT,
) -> VolumePath:
    return output_path(resolved, run or Execution(RUN, MOMENT), task, written_at=written_at)


def test_the_founding_layout_is_the_default() -> None:
    assert path_of(run=Execution(RUN, MOMENT, "nightly")).text == (
        f"{PLACE}/nightly/2026/11/20/loans.json"
    )
    assert path_of().text == f"{PLACE}/{RUN}/2026/11/20/loans.json"


def test_date_folders_are_left_out_where_nobody_wants_them() -> None:
    plain = replace(RESOLVED, create_date_dirs=False, file_format="csv")

    assert path_of(resolved=plain).text == f"{PLACE}/{RUN}/loans.csv"


def test_folders_below_the_volume_are_kept() -> None:
    deeper = replace(RESOLVED, place=VolumePath.parse(f"{PLACE}/reports/monthly"))

    assert path_of(resolved=deeper).text.startswith(f"{PLACE}/reports/monthly/{RUN}/2026/")


def test_the_date_is_that_of_the_partition_in_utc() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=timezone(timedelta(hours=-2)))

    assert "/2026/11/21/" in path_of(run=Execution(RUN, late)).text


def test_a_stable_name_does_not_depend_on_the_time_of_writing() -> None:
    assert path_of(written_at=MOMENT + timedelta(days=3)) == path_of()


def test_a_timestamped_name_tells_time_and_run() -> None:
    resolved = replace(RESOLVED, filename_mode="timestamped")
    at = MOMENT + timedelta(microseconds=42)

    assert path_of(resolved=resolved, written_at=at).parts[-1] == (
        "loans_20261120T093000000042_3f2b1c9e.json"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Loan-tape_2", "Loan-tape_2"),
        ("a b", "a_b-c8687a08"),
        ("a_b", "a_b"),
        ("../../x", "______x-9cdf6a50"),
        ("a/b", "a_b-c14cddc0"),
        ("日本", "__-cf2abf0c"),
        ("x-0123abcd", "x-0123abcd-6324b7ee"),
    ],
)
def test_a_name_that_changes_carries_a_mark_of_what_it_was(name: str, expected: str) -> None:
    assert segment(name) == expected


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UnsafePath):
        path_of(name)
    with pytest.raises(UnsafePath):
        path_of(run=Execution(name, MOMENT))


@given(task=NAMES, run=NAMES)
@example(task="..", run="..")
@example(task="../../x", run="a/../../b")
@example(task="..%2f..%2fx", run="\\..\\x")
def test_no_name_leaves_its_execution_folder(task: str, run: str) -> None:
    assume(task.strip() and run.strip())

    path = path_of(task, run=Execution(RUN, MOMENT, run))

    assert VolumePath.parse(path.text) == path
    assert path.parts[:-1] == (segment(run), "2026", "11", "20")
    assert all(len(part) <= 128 for part in path.parts)


@given(one=NAMES, other=NAMES, resolved=st.sampled_from(["stable", "timestamped"]))
@example(one="a b", other="a_b", resolved="stable")
@example(one="a b", other="a_b-c8687a08", resolved="stable")
@example(one="x" * 128, other="x" * 129, resolved="stable")
def test_different_names_are_different_files(one: str, other: str, resolved: str) -> None:
    assume(one != other and one.strip() and other.strip())
    mode = replace(RESOLVED, filename_mode=resolved)

    assert path_of(one, resolved=mode) != path_of(other, resolved=mode)


@given(name=NAMES)
def test_what_cleaning_gave_is_not_taken_for_a_name(name: str) -> None:
    assume(name.strip() and segment(name) != name)

    assert segment(segment(name)) != segment(name)
