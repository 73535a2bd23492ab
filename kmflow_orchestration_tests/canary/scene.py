"""The demo with marked secrets, and hands to make it fail: shell, Dagster, workspace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.demo.groups import landing_root, token_name
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.local_daemon import LocalDaemon
from kmflow_orchestration.demo.run_demo import Listener, open_instance, run_demo
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import day_key
from kmflow_orchestration.resources.asset_keys import WORKSPACE_CONNECTION
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.canary.own_assets import KEYS, own_definitions
from kmflow_orchestration_tests.demo import small_demo
from kmflow_orchestration_tests.isolation.marks import mark

ACME = GroupId("acme")
FILES = ("workspace-admin.token", "acme.token", "globex.token", "callback.key")
"""The demo's own secrets, by the names of their files."""
SECRETS: dict[str, str] = {
    **{name: mark(name.partition(".")[0]) for name in FILES},
    **{name: mark(name) for name in ("wrong", "elsewhere", "client", "unreadable", "environment")},
    # Of a kind that is known by its shape alone: nothing ever resolves it.
    "pasted": "dapi" + "c0ffee0a" * 4,
}


@dataclass
class Scene:
    """A demo that went well. `said` collects what failures tell their callers."""

    sandbox: Sandbox
    instance: dg.DagsterInstance
    daemon: LocalDaemon
    own: dg.Definitions
    said: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> EmbeddedWorkspace:
        assert self.sandbox.workspace is not None
        return self.sandbox.workspace

    def secret_file(self, name: str, text: str | bytes) -> str:
        """A reference to a file of its owner's alone, in the only folder that may hold marks."""
        path = self.sandbox.home.root / "secrets" / name
        path.touch(mode=0o600)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return f"file:{path}"

    def kmflow(self, *arguments: str) -> int:
        """A command; what it prints is captured with all the rest."""
        return main(arguments)

    def check(self) -> int:
        """Acme's connection tried from the shell and in Dagster; the shell's exit code."""
        outcome = self.daemon.materialize([WORKSPACE_CONNECTION], ACME)
        self.said.append(outcome.failure)
        return self.kmflow("group", "check", ACME)

    @contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Other settings of acme, for a while."""
        before = self.sandbox.context.group_configs.active(ACME)
        # `NAME=` empties a setting.
        now = [f"{name}={value}" for name, value in values.items()]
        then = [f"{name}={_word(getattr(before, name))}" for name in values]
        assert self.kmflow("group", "set", ACME, *now) == 0
        yield
        assert self.kmflow("group", "set", ACME, *then) == 0

    @contextmanager
    def fault(self, method: str, path: str, **what: object) -> Iterator[None]:
        """Acme's requests are refused by somebody who tells back the token that came with them."""
        message = f"refused: Authorization: Bearer {SECRETS['acme.token']}"
        given = {"name": "fail_times", "times": 99, "message": message, "principal": "sp-acme"}
        self.workspace.faults.add(Fault(method=method, path=path, **(given | what)))  # type: ignore[arg-type]
        yield
        self.workspace.faults.clear()

    def drop(self, name: str, text: str) -> None:
        """A file for acme, and the run that its arrival leads to."""
        small_demo.write(landing_root(self.sandbox.home, ACME) / "p2p" / name, text)
        time.sleep(0.3)  # the demo's quiet period
        for outcome in self.daemon.tick("evidence_arrival"):
            self.said.append(outcome.failure)

    def run_own(self, asset: str) -> str:
        """An asset of somebody's own code location, for acme; what its failure says."""
        result = self.own.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[KEYS[asset]],
            partition_key=ACME,
            tags={"kmflow/group": ACME},
            raise_on_error=False,
        )
        texts = [one for one in result.all_events if one.is_step_failure]
        text = "\n".join(str(one.step_failure_data) for one in texts)
        self.said.append(text)
        return text

    def python(self, program: str) -> str:
        """What a process of its own says that runs a program in the demo's home."""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.said.append(done.stdout + done.stderr)
        return self.said[-1]

    def wait(self, ready: Callable[[], bool], seconds: float = 30.0) -> None:
        give_up_at = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < give_up_at, "it did not come to pass"
            time.sleep(0.1)

    @property
    def today(self) -> str:
        return str(day_key(ACME, datetime.now(UTC).date()))


def _word(value: object) -> str:
    return "" if value is None else str(value)


@contextmanager
def played_demo(root: Path, environment: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The demo over a handful of files, to its good end; its processes see its settings."""
    home = Home.at(root)
    for name in FILES:
        home.secret_file(name).write_text(SECRETS[name], encoding="ascii")
    sandbox = Sandbox(home, "databricks")
    sandbox.overrides |= {"conversion_workers": "1", "profile_first_poll_s": "1"}
    for name, value in _variables(sandbox.overrides).items():
        environment.setenv(name, value)
    environment.setenv("DATABRICKS_TOKEN", SECRETS["environment"])
    with sandbox, open_instance(home) as instance:
        report = run_demo(sandbox, Listener(), drops=(small_demo.first,))
        assert (report.failed_runs, report.settled) == ([], True)
        definitions = build_definitions(sensors_running=False, overrides=sandbox.overrides)
        daemon = LocalDaemon(definitions, instance, home.dagster / "cursor")
        yield Scene(sandbox, instance, daemon, own_definitions(sandbox.overrides))


def _variables(overrides: Mapping[str, str]) -> dict[str, str]:
    return {str(Settings.model_fields[key].validation_alias): overrides[key] for key in overrides}


def token_reference(scene: Scene) -> str:
    return f"file:{scene.sandbox.home.secret_file(token_name(ACME))}"


__all__: Sequence[str] = ["ACME", "FILES", "SECRETS", "Scene", "played_demo", "token_reference"]
