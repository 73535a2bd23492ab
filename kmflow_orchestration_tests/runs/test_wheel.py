"""The wheel a job runs: built from what is installed, the same bytes for the same code."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from kmflow_orchestration.runs.wheel import build_wheel, wheel_hash


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_same_code_gives_the_same_bytes(wheel, tmp_path):
    again = build_wheel(tmp_path)

    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
    assert wheel_hash(wheel) == wheel_hash(again)
    assert len(wheel_hash(wheel)) == 8


def test_building_again_leaves_one_whole_file(tmp_path):
    build_wheel(tmp_path)
    built = build_wheel(tmp_path)

    assert list(tmp_path.iterdir()) == [built]
    with zipfile.ZipFile(built) as archive:
        assert archive.testzip() is None


def test_the_bare_wheel_runs_with_the_standard_library_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import kmflow_orchestration.profiling.job as job; "
        "from kmflow_orchestration.profiling.sql_builder import part; assert part('pattern'); "
        "assert job.__file__.startswith(sys.argv[1])"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_pip_installs_it_without_network_and_finds_the_entry_point(wheel, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet",
         "--disable-pip-version-check", "--target", str(tmp_path), str(wheel)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    program = (
        "import sys; from importlib.metadata import distributions; "
        "(entry,) = [e for d in distributions(path=sys.argv[1:]) for e in d.entry_points]; "
        "print(entry.group, entry.name, entry.value)"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout.split() == [
        "kmflow.jobs", "profile", "kmflow_orchestration.profiling.job:main",
    ]  # fmt: skip
