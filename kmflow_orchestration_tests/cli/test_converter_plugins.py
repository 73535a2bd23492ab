"""Converters that others wrote (row D23)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import kmflow_orchestration
from kmflow_orchestration.converters.plugin_places import FOLDER_VARIABLE
from kmflow_orchestration.converters.plugins import installed_plugins
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import ConfigurationError, CorruptInput, InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration_tests.cli.conftest import Kmflow

# The example of the documentation.
_DOCS = Path(kmflow_orchestration.__file__).parent.parent / "docs" / "plugins.md"
READINGS = _DOCS.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of plugins that the environment names."""
    place = tmp_path / "plugins"
    place.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(place))
    return place


def readings(tmp_path: Path, text: str = "08:00=17\n09:00=18\n") -> Path:
    path = tmp_path / "readings.rdg"
    path.write_text(text)
    return path


def test_a_file_of_a_plugin_in_a_folder_becomes_a_typed_table(tmp_path: Path, folder: Path) -> None:
    (folder / "meters.py").write_text(READINGS)

    done = convert_file(readings(tmp_path), tmp_path / "out.parquet")

    table = pq.read_table(tmp_path / "out.parquet")
    assert table.to_pydict() == {"Time": ["08:00", "09:00"], "Value": [17, 18]}
    assert (done.manifest.converter, done.manifest.converter_version) == ("meter_readings", "3")
    assert done.rows == 2


def test_what_a_plugin_refuses_is_told_as_of_any_converter(tmp_path: Path, folder: Path) -> None:
    (folder / "meters.py").write_text(READINGS)

    with pytest.raises(CorruptInput, match="junk is no reading"):
        convert_file(readings(tmp_path, "junk\n"), tmp_path / "out.parquet")
    with pytest.raises(InvalidOptions, match="--delimiter means nothing"):
        convert_file(
            readings(tmp_path), tmp_path / "out.parquet", conversion_options({"delimiter": ";"})
        )

    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("class Other:\n    name = 'other'\n", "no class derived from BaseConverter"),
        (READINGS.replace('suffixes = (".rdg",)', ""), "ReadingsConverter has no suffixes"),
        ("raise SystemError('a plugin may do anything')", "a plugin may do anything"),
        ("def", "SyntaxError"),
    ],
    ids=["import", "none", "unnamed", "fault", "syntax"],
)
def test_a_broken_plugin_is_told_and_the_others_go_on(
    folder: Path, kmflow: Kmflow, text: str, reason: str
) -> None:
    (folder / "broken.py").write_text(text)
    (folder / "meters.py").write_text(READINGS)

    told = kmflow("formats", "--json")

    assert told.code == 0
    (broken,) = json.loads(told.out)["broken_plugins"]
    assert (broken["name"], broken["place"]) == ("broken", str(folder / "broken.py"))
    assert reason in broken["reason"]
    assert "plugin broken of" in told.err
    assert default_converters().named("meter_readings") is not None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (READINGS.replace("meter_readings", "delimited"), "two converters are named delimited"),
        (READINGS.replace(".rdg", ".csv"), "both claim .csv"),
    ],
    ids=["name", "suffix"],
)
def test_a_plugin_that_clashes_stops_every_command(
    folder: Path, kmflow: Kmflow, changed: str, problem: str
) -> None:
    (folder / "meters.py").write_text(changed)

    told = kmflow("formats")

    assert told.code == ConfigurationError.exit_code
    assert problem in told.err


def test_of_two_for_one_suffix_the_higher_priority_wins(folder: Path) -> None:
    text = READINGS.replace(".rdg", ".csv").replace("version =", "priority = 1\n    version =")
    (folder / "meters.py").write_text(text)

    found = default_converters().for_suffix(".csv")

    assert found is not None
    assert found.name == "meter_readings"


def test_a_folder_that_is_not_there_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "nowhere"))

    with pytest.raises(ConfigurationError, match="there is no folder"):
        installed_plugins()


def test_an_installed_package_offers_its_plugin_by_entry_point(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    facts = packages / "meters-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: meters\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[kmflow.converters]\nreadings = meters:ReadingsConverter\nnothing = meters:nothing\n"
    )
    (packages / "meters.py").write_text(f"{READINGS}\nnothing = None\n")
    command = "from kmflow_orchestration.cli.main import run; run()"

    told = subprocess.run(
        [sys.executable, "-c", command, "formats", "--input", "rdg", "--json"],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    found = json.loads(told.stdout)
    assert [one["converter"] for one in found["formats"]] == ["meter_readings"]
    assert [(one["name"], one["place"]) for one in found["broken_plugins"]] == [
        ("nothing", "meters")
    ]
