"""The user's own file of defaults: what it may say, and how it is written (rows D10, CD-S4)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kmflow_orchestration.config.databricks_file import (
    KEYS,
    broken_rule,
    conversion_defaults,
    find_file,
    read_file,
)
from kmflow_orchestration.config.databricks_file_writing import save_values
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.operations.convert.option_table import OPTIONS


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has no file yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def written(text: str, user: Path, name: str = "databricks.yaml") -> Path:
    path = user / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_values_come_with_the_place_they_stand_at(user: Path) -> None:
    path = written("# mine\ndefault_catalog: main\nparallel: 8\nprofile:\n", user)

    found = read_file(path)

    assert found.values == {"default_catalog": "main", "parallel": 8}
    assert found.places == {"default_catalog": f"{path}:2", "parallel": f"{path}:3"}
    assert read_file(written("", user)).values == read_file(None).values == {}


def test_all_that_breaks_a_rule_is_told_with_its_line(user: Path) -> None:
    path = written(
        "paralel: 4\nmax_file_size_mb: big\nchunk_size_mb: 5000\nparallel: true\ntypes: guess\n"
        "profile: 7\ndefault_schema: a b/c\ntemp_directory: /no/such/folder\n",
        user,
    )

    with pytest.raises(ConfigurationError) as refused:
        read_file(path)

    assert refused.value.exit_code == 3
    assert refused.value.message.splitlines() == [
        f"{path}:1: paralel: is unknown: did you mean parallel?",
        f"{path}:2: max_file_size_mb: must be a whole number",
        f"{path}:3: chunk_size_mb: must be from 1 to 4096",
        f"{path}:4: parallel: must be a whole number",
        f"{path}:5: types: must be one of infer, string",
        f"{path}:6: profile: must be text: put it in quotes",
        f"{path}:7: default_schema: is no name of a catalog or schema",
        f"{path}:8: temp_directory: there is no such folder",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "token: dapi-canary-1",
        "access_token: dapi-canary-1",
        "client_secret: canary-1",
        "workspace_url: https://me:canary-1@adb-1.7.azuredatabricks.net",
    ],
)
def test_a_token_does_not_belong_there_and_is_not_shown(line: str, user: Path) -> None:
    with pytest.raises(ConfigurationError, match="tokens do not belong here") as refused:
        read_file(written(f"{line}\n", user))
    assert "canary" not in f"{refused.value!r} {refused.value}"


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "parallel: 1\nparallel: 2\n", "a: \x00\n"])
def test_what_is_no_file_of_settings_is_refused(text: str, user: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_file(written(text, user))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_file(user / "none.yaml")


def test_the_first_file_that_is_there_is_read(user: Path) -> None:
    assert find_file(None, {}) is None
    old = written("parallel: 2\n", user, ".pyforge/databricks.yaml")
    assert find_file(None, {}) == old
    own = written("parallel: 3\n", user, ".kmflow/databricks.yaml")
    assert find_file(None, {}) == own
    assert find_file(None, {"KMFLOW_CONFIG": "~/other.yaml"}) == user / "other.yaml"
    assert find_file(Path("given.yaml"), {"KMFLOW_CONFIG": "~/other.yaml"}) == Path("given.yaml")


def test_the_environment_comes_before_the_file_and_kmflow_before_pyforge(user: Path) -> None:
    file = read_file(written("default_catalog: a\ncompression: lz4\n", user))
    variables = {"PYFORGE_DATABRICKS_CATALOG": "b", "KMFLOW_COMPRESSION": "gzip"}

    assert conversion_defaults(file, {}) == {"default_catalog": "a", "compression": "lz4"}
    found = conversion_defaults(file, variables)
    assert found == {"default_catalog": "b", "compression": "gzip"}
    both = conversion_defaults(file, {**variables, "KMFLOW_DATABRICKS_CATALOG": "c"})
    assert both["default_catalog"] == "c"
    with pytest.raises(ConfigurationError, match="KMFLOW_COMPRESSION: must be one of"):
        conversion_defaults(file, {"KMFLOW_COMPRESSION": "rar"})


def test_words_are_those_the_conversion_takes() -> None:
    options = {one.name: one for one in OPTIONS}
    for name in ("compression", "types"):
        assert KEYS[name].choices == options[name].choices
        assert KEYS[name].default == options[name].default
    assert all(broken_rule(key, key.default) == "" for key in KEYS.values() if key.default)


def test_saving_keeps_what_stands_there_and_is_for_its_owner_alone(user: Path) -> None:
    path = written("# mine\nparallel: 8  # many\nworkspace_url: old.cloud.databricks.com", user)

    save_values({"workspace_url": "https://new.cloud.databricks.com"}, read_file(path))
    save_values({"workspace_url": "https://new.cloud.databricks.com"}, read_file(path))

    assert path.read_text() == (
        '# mine\nparallel: 8  # many\nworkspace_url: "https://new.cloud.databricks.com"\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in user.iterdir()] == ["databricks.yaml"]


def test_what_another_tools_file_says_goes_along_into_ours(user: Path) -> None:
    old = written("default_catalog: main\n", user, ".pyforge/databricks.yaml")

    path = save_values({"profile": "dev"}, read_file(old))

    assert path == user / ".kmflow" / "databricks.yaml"
    assert read_file(path).values == {"default_catalog": "main", "profile": "dev"}
    assert old.read_text() == "default_catalog: main\n"


def test_what_no_program_can_change_is_left_alone(user: Path) -> None:
    path = written("{parallel: 8}\n", user)

    with pytest.raises(ConfigurationError):
        save_values({"profile": "dev"}, read_file(path))
    assert path.read_text() == "{parallel: 8}\n"
