"""A sign-in written into the profile file, beside all that stands there (CD-S4)."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.workspace_urls import workspace_url
from kmflow_orchestration.credentials.profile_writing import write_profile, write_token
from kmflow_orchestration.credentials.profiles import read_profile
from kmflow_orchestration.errors import ConfigurationError, CredentialError

HOST, OTHER = "https://adb-1.7.azuredatabricks.net", "https://adb-2.7.azuredatabricks.net"
TOKEN = "dapicanary0a1b2c3d"
THERE = """; mine
[DEFAULT]
host = https://adb-9.7.azuredatabricks.net
token = dapi-of-default

[dev]
# the old one
host: adb-1.7.azuredatabricks.net
client_id = app
client_secret = canary
    continued
cluster_id = 0101-abc

[__settings__]
default_profile = dev
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cfg"


def write(path: Path, name: str, host: str = HOST, *, force: bool = False) -> None:
    write_token(path, name, host, Secret(TOKEN), normal=workspace_url, force=force)


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(path: Path) -> None:
    write(path, "dev")
    write(path, "dev")

    assert path.read_text() == f"[dev]\nhost = {HOST}\ntoken = {TOKEN}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["cfg"]


def test_other_sections_and_comments_stay_as_they_are(path: Path) -> None:
    path.write_text(THERE)
    path.chmod(0o644)

    write(path, "prod", OTHER)

    assert path.read_text() == f"{THERE}\n[prod]\nhost = {OTHER}\ntoken = {TOKEN}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_section_signs_in_anew_and_keeps_what_is_no_sign_in(path: Path) -> None:
    path.write_text(THERE)

    write(path, "dev")

    text = path.read_text()
    assert f"[dev]\nhost = {HOST}\ntoken = {TOKEN}\n# the old one\ncluster_id = 0101" in text
    assert "client" not in text
    assert "continued" not in text
    assert read_profile(path, "DEFAULT").values["token"] == "dapi-of-default"


def test_a_section_for_another_workspace_is_replaced_only_by_force(path: Path) -> None:
    path.write_text(THERE)

    with pytest.raises(ConfigurationError, match="is for another workspace") as refused:
        write(path, "dev", OTHER)
    assert path.read_text() == THERE
    assert "--force" in refused.value.hint
    write(path, "dev", OTHER, force=True)
    assert read_profile(path, "dev").host == OTHER


@pytest.mark.parametrize("name", ["", "__settings__", "a]b", "a\nb", " a", "[a"])
def test_what_cannot_name_a_section_is_refused(name: str, path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a profile"):
        write(path, name)
    assert not path.exists()


@pytest.mark.parametrize("token", ["a b", "dapi\n[evil]\nhost=x", "Bearer x", "<token>"])
def test_what_no_token_can_be_is_not_written(token: str, path: Path) -> None:
    with pytest.raises(CredentialError):
        write_token(path, "dev", HOST, Secret(token), normal=workspace_url)
    assert not path.exists()


def test_a_file_that_cannot_be_read_is_left_alone_and_not_shown(path: Path) -> None:
    path.write_text("token = canary\n[dev]\n")

    with pytest.raises(ConfigurationError) as refused:
        write(path, "dev")
    assert "canary" not in str(refused.value)
    assert path.read_text() == "token = canary\n[dev]\n"


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    path.symlink_to(tmp_path / "dotfiles" / "cfg")

    write(path, "dev")

    assert path.is_symlink()
    assert (tmp_path / "dotfiles" / "cfg").is_file()


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(THERE)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, "prod")
    assert path.read_text() == THERE
    assert [one.name for one in path.parent.iterdir()] == ["cfg"]


def test_two_at_once_are_both_written(path: Path) -> None:
    names = [f"p{number}" for number in range(8)]
    threads = [threading.Thread(target=write, args=(path, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert [read_profile(path, name).host for name in names] == [HOST] * 8


def test_a_browsers_profile_has_no_secret(path: Path) -> None:
    sign_in = {"host": HOST, "auth_type": "external-browser"}
    write_profile(path, "me", sign_in, normal=workspace_url)
    assert read_profile(path, "me").values == sign_in
