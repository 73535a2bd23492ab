"""Whatever a process of ours begins with puts redaction in place; an import never does."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.operations.converter_processes import converter_pool
from kmflow_orchestration.profiling import job
from kmflow_orchestration.redacted_process import is_installed
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.workspace.server import EmbeddedWorkspace


@pytest.fixture(autouse=True)
def nothing_in_place() -> Iterator[None]:
    """A process that has just begun, as far as its log records tell."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    assert not is_installed()
    yield
    logging.setLogRecordFactory(before)


def open_context(folder: Path) -> None:
    Context(load_settings(home=str(folder))).close()


def make_service(folder: Path) -> None:
    with Context(load_settings(home=str(folder))) as context:
        logging.setLogRecordFactory(logging.LogRecord)
        create_app(
            ServiceDependencies(
                context.profile_runs, None, "local", SystemClock(), context.api_tokens
            )
        )


def load_definitions(_folder: Path) -> None:
    build_definitions(sensors_running=False)


def run_a_command(_folder: Path) -> None:
    assert main(["--version"]) == 0


def serve_a_workspace(folder: Path) -> None:
    with EmbeddedWorkspace(folder / "workspace"):
        pass


def begin_a_job(_folder: Path) -> None:
    """It ends at once: nobody tells it what to profile."""
    with pytest.raises(Exception, match="parameter"):
        job.main()


@pytest.mark.parametrize(
    "begin",
    [
        open_context,
        make_service,
        load_definitions,
        run_a_command,
        serve_a_workspace,
        begin_a_job,
    ],
)
def test_it_is_in_place_once_work_begins(
    begin: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["job"])
    begin(tmp_path)
    assert is_installed()


@pytest.mark.slow
def test_it_is_in_place_in_each_converter() -> None:
    with converter_pool(1) as pool:
        assert pool.submit(is_installed).result()


IMPORTS = """
import logging, sys, threading
before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
import kmflow_orchestration.cli.main, kmflow_orchestration.context
import kmflow_orchestration.definitions, kmflow_orchestration.profiling.job
import kmflow_orchestration.service.app, kmflow_orchestration.workspace.server
assert before == (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook)
"""


@pytest.mark.slow
def test_an_import_changes_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
