"""`kmflow` as a process of its own: what it imports, prints, answers, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

COMMAND = "from kmflow_orchestration.cli.main import run; run()"
HEAVY = ("dagster", "pyspark", "databricks", "sqlalchemy", "pandas", "duckdb", "fastapi", "pysail")
TELLS_HEAVY = f"""
import atexit, sys
atexit.register(lambda: print("heavy:", [m for m in {HEAVY!r} if m in sys.modules]))
{COMMAND}
"""
WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python on a text in an empty folder; whatever still runs is killed."""
    started: list[subprocess.Popen[str]] = []
    kept = ("PATH", "HOME", "LANG", "TMPDIR")

    def begin(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env={
                **{name: os.environ[name] for name in kept if name in os.environ},
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "KMFLOW_HOME": str(tmp_path / "home"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield begin
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()


def test_help_imports_nothing_heavy(start: Start) -> None:
    out, err = start(TELLS_HEAVY, "--help").communicate(timeout=30)

    assert "Commands:" in out
    assert out.endswith("heavy: []\n")
    assert err == ""


@pytest.mark.parametrize(
    ("name", "extra", "arguments"),
    [
        ("typer", "orchestrator", ["--help"]),
        ("sqlalchemy", "orchestrator", ["group", "list"]),
        ("dagster", "orchestrator", ["demo", "--dir", "x"]),
        ("sqlglot", "embedded", ["workspace", "serve", "--dir", "x"]),
    ],
)
def test_without_its_extras_it_says_what_to_install(
    start: Start, name: str, extra: str, arguments: list[str]
) -> None:
    child = start(WITHOUT.format(name=name) + COMMAND, *arguments)
    out, err = child.communicate(timeout=30)

    assert child.returncode == 3
    line = f"pip install 'kmflow_orchestration[{extra}]'"
    assert err == f"kmflow: {name} is not installed; {line}\n"
    assert out == ""


@pytest.mark.parametrize(
    ("ending", "options", "cloud"),
    [(signal.SIGINT, (), "AWS"), (signal.SIGTERM, ("--gcp",), "GCP")],
    ids=["SIGINT", "SIGTERM on Google's cloud"],
)
def test_a_served_workspace_is_ready_for_the_sdk_and_ends_when_told(
    start: Start, tmp_path: Path, ending: signal.Signals, options: tuple[str, ...], cloud: str
) -> None:
    child = start(COMMAND, "workspace", "serve", "--dir", str(tmp_path / "state"), *options)
    assert child.stdout is not None
    printed = [child.stdout.readline() for _ in range(3)]
    profile = tmp_path / ".databrickscfg"
    profile.write_text("".join(printed), encoding="utf-8")

    settings = Config(profile="DEFAULT", config_file=str(profile), retry_timeout_seconds=1)
    assert WorkspaceClient(config=settings).current_user.me().user_name == "workspace-admin"
    with urllib.request.urlopen(f"{settings.host}/.well-known/databricks-config") as answer:
        assert json.load(answer)["cloud"] == cloud

    child.send_signal(ending)
    _, err = child.communicate(timeout=30)
    assert child.returncode in {0, 130}
    assert "Traceback" not in err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_service_answers_until_it_is_told_to_end(start: Start, ending: signal.Signals) -> None:
    child = start(COMMAND, "service", "run", KMFLOW_SERVICE_PORT="0")
    assert child.stderr is not None
    address = child.stderr.readline().split()[-1]
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert json.load(answer)["status"] == "ok"

    child.send_signal(ending)
    _, err = child.communicate(timeout=30)

    assert (child.returncode, err) == (0, "stopped\n")


def test_a_workspace_served_over_https_names_the_file_to_trust(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(COMMAND, "workspace", "serve", "--tls", "--dir", str(tmp_path / "state"))
    assert child.stdout is not None
    assert child.stderr is not None
    profile = tmp_path / ".databrickscfg"
    profile.write_text("".join(child.stdout.readline() for _ in range(3)), encoding="utf-8")
    told = [child.stderr.readline() for _ in range(2)][-1].strip()

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", told.partition("REQUESTS_CA_BUNDLE=")[2])
    settings = Config(profile="DEFAULT", config_file=str(profile), retry_timeout_seconds=1)
    assert str(settings.host).startswith("https://127.0.0.1:")
    assert WorkspaceClient(config=settings).current_user.me().user_name == "workspace-admin"


def test_the_service_answers_for_its_health_and_ends_when_told(start: Start) -> None:
    child = start(COMMAND, "service", "run", KMFLOW_SERVICE_PORT="0")
    assert child.stderr is not None
    address = child.stderr.readline().split()[-1]

    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200

    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode in {0, 130}
    assert "Traceback" not in err
