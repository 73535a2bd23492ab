"""`kmflow databricks config|login|test`, and a sign-in for one conversion (rows D6 to D15)."""

from __future__ import annotations

import getpass
import io
import json
import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from databricks.sdk import oauth
from databricks.sdk.service.catalog import VolumeType

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.databricks_client.browser_sign_in import _CLIENT, _REDIRECT
from kmflow_orchestration.names import GroupId, VolumePath
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, loans

__all__ = ["loans"]

WORK = "/Volumes/kmflow/main/work"
FILES = "/api/2.0/fs/files"
_LARGE = 65 << 20
Stdin = Callable[[str], None]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user with neither profiles nor defaults."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Stdin:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture
def work(on_workspace: Room, user: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """acme is set up, and has a Volume for results with a file in it."""
    monkeypatch.setenv("KMFLOW_ALLOW_INSECURE_LOOPBACK", "true")
    client = on_workspace.group("kmflow").client()
    client.volumes.create("kmflow", "main", "work", VolumeType.MANAGED)
    client.files.upload(f"{WORK}/in/loans.csv", io.BytesIO(LOANS.encode()))
    on_workspace.server.services.request_log.clear()
    return on_workspace


def defaults(user: Path, text: str) -> Path:
    path = user / ".kmflow" / "databricks.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def profiles(user: Path, **sections: tuple[str, str]) -> Path:
    path = user / ".databrickscfg"
    path.write_text(
        "".join(f"[{k}]\nhost = {host}\ntoken = {token}\n" for k, (host, token) in sections.items())
    )
    path.chmod(0o600)
    return path


def fault(room: Room, **settings: Any) -> None:
    """Puts of files are answered so."""
    given = {"name": "fail_times", "method": "PUT", "path": f"{FILES}/*", **settings}
    room.server.faults.add(Fault(**given))


# --- config ------------------------------------------------------------------------------------


def test_each_value_is_told_with_its_source(
    work: Room, user: Path, kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = defaults(user, "default_catalog: mine\nparallel: 7\ncompression: lz4\ntypes: string\n")
    monkeypatch.setenv("PYFORGE_DATABRICKS_SCHEMA", "s1")
    monkeypatch.setenv("KMFLOW_COMPRESSION", "gzip")

    values = kmflow("databricks", "config", "--profile", "dev", "--json").json["values"]
    of_group = kmflow("databricks", "config", "--group", "acme", "--json").json["values"]

    def told(name: str) -> tuple[object, str]:
        return values[name]["value"], values[name]["source"]

    assert told("default_catalog") == ("mine", f"file:{path}:1")
    assert told("default_schema") == ("s1", "env:PYFORGE_DATABRICKS_SCHEMA")
    assert told("parallel") == (7, f"file:{path}:2")
    assert told("compression") == ("gzip", "env:KMFLOW_COMPRESSION")
    assert told("max_file_size_mb") == (1000, "default")
    assert told("profile") == ("dev", "option")
    assert told("workspace_url") == ("", "")
    assert of_group["default_catalog"] == {"value": "kmflow", "source": "group acme"}
    assert of_group["default_schema"]["source"] == "env:PYFORGE_DATABRICKS_SCHEMA"
    assert of_group["workspace_url"] == {"value": work.url, "source": "group acme"}


def test_a_faulty_file_stops_every_command_that_reads_it(
    user: Path, kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    path = defaults(user, "token: dapi-canary-5\nparallel: 99\n")

    for arguments in (("databricks", "config"), ("convert", str(loans))):
        refused = kmflow(*arguments)
        assert refused.code == 3
        assert f"{path}:1: token: tokens do not belong here" in refused.err
        assert f"{path}:2: parallel: must be from 1 to 32" in refused.err
        assert "canary" not in refused.err
    assert kmflow("convert", str(loans), "--config", str(tmp_path / "none.yaml")).code == 3


def test_the_files_values_are_defaults_behind_flags_and_variables(
    user: Path, kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("compression: gzip\ntypes: string\n")

    def options(*more: str) -> tuple[str, str]:
        done = kmflow("convert", str(loans), "--force", "--json", *more)
        assert done.code == 0, done.err
        found = done.json["manifest"]["options"]
        return found["compression"], found["types"]

    assert options() == ("zstd", "infer")
    assert options("--config", str(own)) == ("gzip", "string")
    monkeypatch.setenv("KMFLOW_CONFIG", str(own))
    assert options("--types", "infer") == ("gzip", "infer")
    monkeypatch.setenv("KMFLOW_COMPRESSION", "lz4")
    assert options() == ("lz4", "string")


def test_large_files_go_up_in_parts_of_the_files_size(work: Room, user: Path) -> None:
    defaults(user, "chunk_size_mb: 40\n")
    place = VolumePath.parse(f"{WORK}/large.bin")

    with Context(load_settings()) as context:
        files = context.reach(GroupId("acme")).volumes().access
        files.upload(place, lambda: io.BytesIO(bytes(_LARGE)), size_bytes=_LARGE)

    assert files.size(place) == _LARGE
    assert work.server.requests("PUT", "/presigned/parts/*").count() == 2


def test_a_batch_stops_where_the_file_says_so(user: Path, kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.xlsx", "b.xlsx"):
        (tmp_path / "in" / name).write_text("no workbook")
    defaults(user, f"on_error: stop\nparallel: 1\ntemp_directory: {tmp_path}\n")

    stopped = kmflow("batch-convert", str(tmp_path / "in"), "--json")

    assert stopped.json["counts"] == {"failed": 1, "not_tried": 1}


def test_profiles_that_others_can_read_are_told_with_the_chmod(user: Path, kmflow: Kmflow) -> None:
    path = profiles(user, dev=("https://adb-1.7.azuredatabricks.net", "dapi-canary-6"))
    path.chmod(0o644)

    told = kmflow("databricks", "config")

    assert told.code == 0
    assert f"chmod 600 {path}" in told.err
    path.chmod(0o600)
    assert "chmod" not in kmflow("databricks", "config").err


# --- a sign-in for one call --------------------------------------------------------------------


def test_a_token_from_stdin_signs_in_for_the_groups_own_places(
    work: Room, kmflow: Kmflow, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", "dapi-of-nobody")
    call = ("convert", f"{WORK}/in/loans.csv", "--group", "acme", "--token-stdin")
    stdin(work.group("kmflow").token)
    done = kmflow(*call)

    assert done.code == 0, done.err
    stdin(work.group("kmflow").token)
    assert kmflow("convert", "/Volumes/other/s/v/a.csv", *call[2:]).code == 4
    stdin(work.group("globex").token)
    refused = kmflow(*call, "--force")
    assert refused.code in {1, 4}, refused.err  # globex may not see acme's Volume


def test_a_literal_token_warns_and_is_refused_in_production(
    work: Room, kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = work.group("kmflow").token
    call = ("convert", f"{WORK}/in/loans.csv", "--group", "acme", "--token", token, "--force")

    warned = kmflow(*call)
    monkeypatch.setenv("KMFLOW_ENV", "production")
    refused = kmflow(*call)

    assert (warned.code, refused.code) == (0, 3), warned.err
    assert "--token-stdin does not" in warned.err
    assert "--token is refused in production" in refused.err
    assert token not in warned.out + warned.err + refused.out + refused.err


def test_host_and_credential_of_a_group_do_not_come_apart(
    work: Room, user: Path, kmflow: Kmflow, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "https://adb-9.7.azuredatabricks.net"
    token = work.group("kmflow").token
    profiles(user, here=(work.url, token), there=(elsewhere, "dapi-canary-8"))
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-canary-9")
    monkeypatch.setenv("DATABRICKS_HOST", work.url)
    call = ("convert", f"{WORK}/in/loans.csv", "--group", "acme", "--force")

    assert kmflow(*call, "--profile", "here").code == 0
    assert kmflow(*call, "--profile", "here", "--workspace-url", work.url).code == 0
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "there")
    stdin(token)
    assert kmflow(*call, "--token-stdin").code == 0
    stdin(token)
    assert kmflow(*call, "--workspace-url", elsewhere, "--token-stdin").code == 3
    for wrong in (("--profile", "there"), ("--profile", "none"), ("--workspace-url", elsewhere)):
        refused = kmflow(*call, *wrong)
        assert refused.code == 3, refused.err
        assert "canary" not in refused.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--token", "t1", "--token-stdin"),
        ("--profile", "p", "--token-stdin"),
        ("--auth-type", "magic"),
        ("--password-stdin", "--token-stdin"),
    ],
)
def test_flags_that_contradict_each_other_are_misuse(
    home: Path, user: Path, kmflow: Kmflow, flags: tuple[str, ...]
) -> None:
    assert kmflow("convert", f"{WORK}/a.csv", "--group", "acme", *flags).code == 2


def test_a_group_without_settings_is_whoever_signs_in(
    work: Room, user: Path, kmflow: Kmflow, loans: Path, stdin: Stdin
) -> None:
    call = ("convert", str(loans), "vol:work/mine/", "--group", "solo")
    assert kmflow(*call).code == 3  # nobody says where to go
    profiles(user, dev=(work.url, work.group("kmflow").token))
    defaults(user, "profile: dev\ndefault_catalog: kmflow\ndefault_schema: main\n")

    done = kmflow(*call, "--json")

    assert done.code == 0, done.err
    assert done.json["outputs"] == [f"{WORK}/mine/loans.parquet"]
    outside = kmflow("convert", str(loans), "/Volumes/other/s/v/", "--group", "solo")
    assert (outside.code, "catalog other" in outside.err) == (4, True)
    acmes = kmflow("convert", str(loans), "/Volumes/kmflow/acme/any/", "--group", "solo")
    assert (acmes.code, "belongs to another group" in acmes.err) == (6, True)


def test_vol_is_completed_from_environment_before_the_group(
    work: Room, kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMFLOW_DATABRICKS_SCHEMA", "main")

    done = kmflow("convert", str(loans), "vol:work/out/", "--group", "acme", "--json")

    assert done.code == 0, done.err
    assert done.json["outputs"] == [f"{WORK}/out/loans.parquet"]


def test_a_token_that_is_over_ends_a_batch_with_how_far_it_got(
    work: Room, kmflow: Kmflow, stdin: Stdin
) -> None:
    client = work.group("kmflow").client()
    for name in ("a", "b"):
        client.files.upload(f"{WORK}/many/{name}.csv", io.BytesIO(LOANS.encode()))
    fault(work, path=f"{FILES}{WORK}/out/b*", status=401, error_code="UNAUTHENTICATED", times=99)
    call = ("batch-convert", f"{WORK}/many", f"{WORK}/out", "--group", "acme", "--no-check")
    stdin(work.group("kmflow").token)

    over = kmflow(*call, "--parallel", "1", "--token-stdin")

    assert over.code == 4, over.err
    assert "token expired; 1 of 2 files done, rerun to continue" in over.err


# --- test --------------------------------------------------------------------------------------

STEPS = ["settings", "credentials", "host name", "network", "sign-in"]
FURTHER = ["catalog", "schema", "volume", "read", "write"]


def test_every_step_is_tried_and_nothing_left_behind(work: Room, kmflow: Kmflow) -> None:
    done = kmflow("databricks", "test", f"{WORK}/in", "--group", "acme", "--json")

    assert done.code == 0, done.err
    steps = done.json["steps"]
    assert [step["name"] for step in steps] == STEPS + FURTHER
    assert {step["status"] for step in steps} == {"ok"}
    assert steps[4]["detail"].startswith("kmflow-service")
    assert steps[8]["detail"] == f"{WORK}/in: 1 entries"
    client = work.group("kmflow").client()
    assert [one.name for one in client.files.list_directory_contents(WORK)] == ["in"]
    for_people = kmflow("databricks", "test", "vol:work", "--group", "acme")
    assert for_people.code == 1  # acme's schema is another than the Volume's


def test_it_is_told_what_failed_and_what_to_do(work: Room, kmflow: Kmflow, stdin: Stdin) -> None:
    def failed(*arguments: str) -> tuple[int, str, str]:
        done = kmflow(
            "databricks", "test", *arguments, "--group", "acme", "--retries", "1", "--json"
        )
        last = done.json["steps"][-1]
        assert last["status"] == "fail"
        return done.code, last["name"], last["remedy"]

    assert failed("/Volumes/kmflow/none/v")[:2] == (1, "schema")
    code, step, remedy = failed("/Volumes/kmflow/main/none")
    assert (code, step) == (1, "volume")
    assert "name one of: evidence, work" in remedy
    stdin("dapi-of-nobody-0")
    assert failed(WORK, "--token-stdin")[:2] == (4, "sign-in")
    fault(work, status=403, error_code="PERMISSION_DENIED")
    code, step, remedy = failed(WORK)
    assert (code, step) == (4, "write")
    assert "GRANT WRITE VOLUME" in remedy
    work.server.faults.clear()
    fault(work, status=503, times=9)
    assert failed(WORK)[:2] == (5, "write")


def test_places_of_others_are_refused_before_anybody_is_asked(work: Room, kmflow: Kmflow) -> None:
    outside = kmflow("databricks", "test", "/Volumes/other/s/v", "--group", "acme")

    assert outside.code == 4
    assert kmflow("databricks", "test", "s3://bucket", "--group", "acme").code == 6
    assert kmflow("databricks", "test").code == 3
    assert work.server.requests().count() == 0


# --- login -------------------------------------------------------------------------------------


def test_a_login_is_tried_and_then_kept_for_all_that_follows(
    work: Room, user: Path, kmflow: Kmflow, stdin: Stdin, loans: Path
) -> None:
    token = work.group("kmflow").token
    there = "https://adb-9.7.azuredatabricks.net"
    path = profiles(user, other=(there, "dapi-other"))
    defaults(user, "default_catalog: kmflow\ndefault_schema: main\n")
    stdin(token)

    done = kmflow("databricks", "login", "--workspace-url", work.url, "--token-stdin", "--json")

    assert done.code == 0, done.err
    assert done.json["identity"] == "kmflow-service"
    assert done.json["profile"] == "kmflow"
    assert path.read_text() == (
        f"[other]\nhost = {there}\ntoken = dapi-other\n\n"
        f"[kmflow]\nhost = {work.url}\ntoken = {token}\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in done.out + done.err
    assert token not in (user / ".kmflow" / "databricks.yaml").read_text()
    used = kmflow("convert", str(loans), "vol:work/mine/", "--group", "solo")
    assert used.code == 0, used.err


def test_a_login_that_does_not_work_writes_nothing_and_tells_no_token(
    work: Room, user: Path, kmflow: Kmflow, stdin: Stdin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for url, token, code in (
        (work.url, "dapi-of-nobody-1", 4),
        ("http://127.0.0.1:9", "dapi-of-nobody-2", 5),
        ("http://elsewhere.test", "dapi-of-nobody-3", 3),
        (work.url, "", 3),
        (work.url, "a b", 3),
    ):
        stdin(token)
        refused = kmflow("databricks", "login", "--workspace-url", url, "--token-stdin")
        assert refused.code == code, (url, refused.err)
        assert "of-nobody" not in refused.out + refused.err + caplog.text
    assert list(user.iterdir()) == []


def test_what_is_tried_is_what_was_given_and_no_profile_of_the_environment(
    work: Room, user: Path, kmflow: Kmflow, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = profiles(user, good=(work.url, work.group("kmflow").token))
    before = path.read_text()
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "good")
    stdin("dapi-of-nobody-4")

    refused = kmflow("databricks", "login", "--workspace-url", work.url, "--token-stdin")

    assert refused.code == 4, refused.err
    assert path.read_text() == before


def test_where_nobody_is_to_ask_nothing_is_asked(
    work: Room, user: Path, kmflow: Kmflow, stdin: Stdin
) -> None:
    for flags in (
        (),
        ("--workspace-url", work.url),
        ("--workspace-url", work.url, "--auth-type", "external-browser"),
        ("--token-stdin", "--auth-type", "external-browser"),
        ("--auth-type", "azure-cli"),
    ):
        stdin("")
        assert kmflow("databricks", "login", *flags).code == 2, flags
    assert list(user.iterdir()) == []


def test_at_a_terminal_the_token_is_asked_for_and_a_profile_renewed(
    work: Room, user: Path, kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = profiles(user, dev=(work.url, "dapi-old"))
    defaults(user, "profile: other\n")
    monkeypatch.setattr("sys.stdin", Terminal())
    asked: list[str] = []
    token = work.group("kmflow").token

    def answer(question: str) -> str:
        asked.append(question)
        return token

    monkeypatch.setattr(getpass, "getpass", answer)

    done = kmflow("databricks", "login", "--profile", "dev")

    assert done.code == 0, done.err
    assert asked == [f"Token for {work.url}: "]
    assert path.read_text() == f"[dev]\nhost = {work.url}\ntoken = {token}\n"
    assert "names another profile" in done.err
    elsewhere = kmflow("databricks", "login", "--profile", "dev", "--workspace-url", work.url)
    assert elsewhere.code == 0


def test_a_user_who_signed_in_in_a_browser_has_a_profile_without_a_secret(
    work: Room, user: Path, kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = work.server.services.user_logins
    logins.in_browser = work.group("kmflow").caller
    monkeypatch.setattr("sys.stdin", Terminal())
    endpoints = oauth.get_workspace_endpoints(work.url)
    consent = oauth.OAuthClient(endpoints, _REDIRECT, _CLIENT).initiate_consent()
    answer = requests.get(consent.authorization_url, allow_redirects=False, timeout=10)
    back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    cache = oauth.TokenCache(work.url, endpoints, _CLIENT, _REDIRECT)
    cache.save(consent.exchange_callback_parameters(back))

    flags = ("--workspace-url", work.url, "--auth-type", "external-browser", "--json")
    done = kmflow("databricks", "login", *flags)
    logins.in_browser = None

    assert done.code == 0, done.err
    text = (user / ".databrickscfg").read_text()
    assert text == f"[kmflow]\nhost = {work.url}\nauth_type = external-browser\n"
    assert json.loads(done.out)["identity"] == "kmflow-service"
