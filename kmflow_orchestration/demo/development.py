"""The development set-up: the sandbox in this process, Dagster's own processes beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.demo.evidence import first_drop
from kmflow_orchestration.demo.groups import landing_root
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.sandbox import Backend, Sandbox
from kmflow_orchestration.errors import KmflowError

MODULE = "kmflow_orchestration.definitions"
# A look every other minute is live enough, and leaves the machine to its user.
PROFILE_CRON = "*/2 * * * *"
STOP_S = 20.0


class Development:
    """Embedded workspace and service in threads, webserver and daemon as children; a context."""

    def __init__(
        self, home: Home, backend: Backend, *, port: int, with_evidence: bool = True
    ) -> None:
        self._sandbox = Sandbox(home, backend)
        self._port = port
        self._with_evidence = with_evidence
        self._children: list[subprocess.Popen[bytes]] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._sandbox)
            opening.callback(self._stop_children)
            self._sandbox.provision()
            if self._with_evidence:
                for group in self._sandbox.groups:
                    first_drop(landing_root(self._sandbox.home, group), group)
            environment = self._environment()
            address = ["-h", "127.0.0.1", "-p", str(self._port)]
            self._start("dagster_webserver", "-m", MODULE, *address, environment=environment)
            self._start("dagster._daemon", "run", "-m", MODULE, environment=environment)
            self._opened = opening.pop_all()
        return self

    @property
    def addresses(self) -> dict[str, str]:
        """What there is to open, by name."""
        found = {"Dagster": f"http://127.0.0.1:{self._port}"}
        if self._sandbox.workspace is not None:
            found["workspace"] = self._sandbox.workspace.url
        found["service"] = f"{self._sandbox.overrides['callback_base_url']}/api/v1/health"
        for group in self._sandbox.groups:
            found[f"landing {group}"] = str(landing_root(self._sandbox.home, group))
        return found

    def wait(self) -> None:
        """Block until interrupted.

        Raises:
            KmflowError: one of the processes ended by itself.
        """
        while all(child.poll() is None for child in self._children):
            time.sleep(0.5)
        codes = [str(child.returncode) for child in self._children if child.poll() is not None]
        raise KmflowError(f"a Dagster process ended by itself (exit {', '.join(codes)})")

    def _environment(self) -> dict[str, str]:
        """Our settings for the children, as references; nothing of this process's own is lost."""
        names = {key: str(Settings.model_fields[key].validation_alias) for key in self._overrides}
        ours = {names[key]: value for key, value in self._overrides.items()}
        home = {"DAGSTER_HOME": str(self._sandbox.home.prepare_dagster())}
        return {**os.environ, **ours, **home}

    @property
    def _overrides(self) -> dict[str, str]:
        return {**self._sandbox.overrides, "profile_cron": PROFILE_CRON}

    def _start(self, *arguments: str, environment: dict[str, str]) -> None:
        log = self._sandbox.home.dagster / f"{arguments[0]}.log"
        with log.open("ab") as output:
            self._children.append(
                subprocess.Popen(  # noqa: S603  (our own interpreter and modules)
                    [sys.executable, "-m", *arguments],
                    env=environment,
                    cwd=self._sandbox.home.root,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def _stop_children(self) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()
