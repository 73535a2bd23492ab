"""A whole pipeline whose secrets are marked, with faults on its way: the marks are nowhere."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

import httpx
import pytest

from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.demo.groups import landing_root
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.local_daemon import LocalDaemon
from kmflow_orchestration.demo.run_demo import open_instance
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.names import GroupId, TableGroupId
from kmflow_orchestration.partitions.keys import table_group_key
from kmflow_orchestration.resources.asset_keys import PROFILE_RUN
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.isolation.marks import files_with, found_in, mark

FILES = ("workspace-admin.token", "acme.token", "globex.token", "callback.key")
SECRETS = {name: mark(name.partition(".")[0]) for name in FILES}
ACME, E1 = GroupId("acme"), TableGroupId("e1")
PUT, RUN_NOW = "/api/2.0/fs/files/*", "/api/2.*/jobs/run-now"
PATIENCE_S = 30.0


def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """All that any logger says; of SQLAlchemy the statements with their values, not each row."""
    caplog.set_level(logging.DEBUG)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:
            caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.INFO, "sqlalchemy")


class Pipeline:
    """Two groups in one workspace, driven by hand."""

    def __init__(self, sandbox: Sandbox, daemon: LocalDaemon) -> None:
        self.sandbox = sandbox
        self.daemon = daemon

    def drop(self, group: str, name: str, content: str) -> None:
        path = landing_root(self.sandbox.home, group) / "e1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def add_faults(self) -> None:
        assert self.sandbox.workspace is not None
        for fault in (
            Fault("fail_times", "PUT", PUT, "sp-acme", status=403, error_code="PERMISSION_DENIED"),
            Fault("execute_then_drop", "PUT", PUT, "sp-globex"),
            Fault("fail_times", "POST", RUN_NOW, "sp-acme", status=503),
        ):
            self.sandbox.workspace.faults.add(fault)

    def profile(self) -> None:
        """One profile of acme to its callback, and what Dagster makes of it."""
        self.daemon.materialize([PROFILE_RUN], str(table_group_key("acme", "e1")))
        give_up_at = time.monotonic() + PATIENCE_S
        while self.sandbox.context.profile_runs.outstanding(ACME, E1):
            assert time.monotonic() < give_up_at, "the profile did not end"
            time.sleep(0.1)
        self.daemon.tick("profile_completion")

    def call_back_badly(self) -> list[int]:
        """Somebody sends the very key, a workspace token, a MAC of no key's, and nothing at all."""
        (run,) = self.sandbox.context.profile_runs.latest(ACME)
        url = self.sandbox.context.callback.url(run)
        told = (
            f"Bearer {SECRETS['callback.key']}",
            f"Bearer v1.9999999999.{SECRETS['acme.token']}",
            f"Bearer v1.9999999999.{'A' * 43}",
            "",
        )
        return [
            httpx.post(url, json={}, headers={"Authorization": one}).status_code for one in told
        ]

    def lose_the_workspace(self) -> str:
        """What a request says while nothing listens at the workspace's address."""
        assert self.sandbox.workspace is not None
        calls = self.sandbox.context.clients.get(self.sandbox.context.group(ACME).config)
        self.sandbox.workspace.stop()
        with pytest.raises(KmflowError) as refusal:
            current_principal(calls, is_patient=False)
        return "".join(traceback.format_exception(refusal.value))


def run_everything(home: Home) -> list[str]:
    """From landing to scores; what failures said."""
    sandbox = Sandbox(home, "databricks")
    sandbox.overrides |= {"quiet_period_s": "0", "conversion_workers": "1"}
    with sandbox, open_instance(home) as instance:
        sandbox.provision()
        definitions = build_definitions(sensors_running=False, overrides=sandbox.overrides)
        pipeline = Pipeline(sandbox, LocalDaemon(definitions, instance, home.dagster / "cursor"))
        pipeline.add_faults()
        for group in sandbox.groups:
            pipeline.drop(group, "loans.csv", "id,rate\n1,0.5\n2,N/A\n")
        pipeline.daemon.settle(["evidence_arrival"])
        pipeline.profile()
        assert pipeline.call_back_badly() == [401, 401, 403, 401]
        assert sandbox.context.profile_runs.latest_completed(ACME, E1)
        failures = [outcome.failure for outcome in pipeline.daemon.outcomes]
        return [*failures, pipeline.lose_the_workspace()]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_marked_secret_is_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    home = Home.at(tmp_path / "home")
    for name, secret in SECRETS.items():
        home.secret_file(name).write_text(secret, encoding="ascii")

    log_everything(caplog)
    failures = run_everything(home)

    out, err = capfd.readouterr()
    said = "\n".join([out, err, caplog.text, *failures])
    assert found_in(said.encode(), SECRETS.values()) == set()
    assert "databricks" in said
    secrets = home.root / "secrets"
    assert list(files_with(tmp_path, SECRETS.values(), but=secrets)) == []
    assert len(list(files_with(secrets, SECRETS.values(), but=tmp_path / "x"))) == len(SECRETS)
