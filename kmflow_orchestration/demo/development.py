"""The development set-up: the sandbox in this process, Dagster's own processes beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from types import FrameType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.demo.dagster_storage import make_storage
from kmflow_orchestration.demo.evidence import first_drop
from kmflow_orchestration.demo.groups import landing_root
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.sandbox import Backend, Sandbox
from kmflow_orchestration.errors import ConfigurationError, KmflowError

MODULE = "kmflow_orchestration.definitions"
# A look every other minute is live enough, and leaves the machine to its user.
PROFILE_CRON = "*/2 * * * *"
STOP_S = 20.0
START_S = 90.0
LOOK_S = 0.5
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """SIGINT, SIGTERM and SIGHUP as one KeyboardInterrupt, raised where nothing is half made.

    A signal that came in the middle of starting a process would leave that process to nobody.
    Only the first signal counts: who is impatient must not cut short the ending of our children.
    It is not ignored by the system's means, because children would inherit that.
    """

    def __init__(self) -> None:
        self._is_postponed = False
        self._is_due = True
        self._came = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of all three signals."""
        self._came = True
        self._raise_once()

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Within it a signal waits until the end of the block."""
        self._is_postponed = True
        try:
            yield
        finally:
            self._is_postponed = False
        self._raise_once()

    def _raise_once(self) -> None:
        if self._came and self._is_due and not self._is_postponed:
            self._is_due = False
            raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[Interruption]:
    """Within it the first of the three signals is a KeyboardInterrupt, and further ones nothing.

    A shell that starts us with `&` has SIGINT ignored. A closed terminal sends SIGHUP, which is
    ignored on purpose under `nohup`: that stays so.
    """
    interruption = Interruption()
    kept = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {
        number: signal.signal(number, interruption.on_signal)
        for number in _STOPPING
        if number not in kept
    }
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Development:
    """Embedded workspace and service in threads, webserver and daemon as children; a context."""

    def __init__(
        self,
        home: Home,
        backend: Backend,
        interruption: Interruption,
        *,
        port: int,
        with_evidence: bool = True,
    ) -> None:
        self._sandbox = Sandbox(home, backend)
        self._interruption = interruption
        self._port = port
        self._with_evidence = with_evidence
        self._children: list[subprocess.Popen[bytes]] = []
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        _check_free(self._port)
        with ExitStack() as opening:
            with self._interruption.postponed():
                opening.enter_context(self._sandbox)
            opening.callback(self._stop_children)
            self._sandbox.provision()
            if self._with_evidence:
                for group in self._sandbox.groups:
                    first_drop(landing_root(self._sandbox.home, group), group)
            make_storage(self._sandbox.home)
            environment = self._environment()
            address = ["-h", "127.0.0.1", "-p", str(self._port)]
            self._start("dagster_webserver", "-m", MODULE, *address, environment=environment)
            self._start("dagster._daemon", "run", "-m", MODULE, environment=environment)
            self._await_answer()
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
        while True:
            self._check_children()
            self._sandbox.context.clock.sleep(LOOK_S)

    def _await_answer(self) -> None:
        """Until the webserver answers: an address that is told can be opened."""
        clock = self._sandbox.context.clock
        give_up_at = clock.monotonic() + START_S
        while clock.monotonic() < give_up_at:
            self._check_children()
            with (
                suppress(URLError, OSError),
                urlopen(f"{self.addresses['Dagster']}/server_info", timeout=5),  # noqa: S310 - http
            ):
                return
            clock.sleep(LOOK_S)
        raise KmflowError(
            f"the Dagster webserver did not answer within {START_S:.0f} s",
            hint=f"its log is in {self._sandbox.home.dagster}",
        )

    def _check_children(self) -> None:
        codes = [str(child.returncode) for child in self._children if child.poll() is not None]
        if codes:
            raise KmflowError(
                f"a Dagster process ended by itself (exit {', '.join(codes)})",
                hint=f"its log is in {self._sandbox.home.dagster}",
            )

    def _environment(self) -> dict[str, str]:
        """Our settings for the children, as references; nothing of this process's own is lost."""
        names = {key: str(Settings.model_fields[key].validation_alias) for key in self._overrides}
        ours = {names[key]: value for key, value in self._overrides.items()}
        home = {"DAGSTER_HOME": str(self._sandbox.home.dagster)}
        return {**os.environ, **ours, **home}

    @property
    def _overrides(self) -> dict[str, str]:
        return {**self._sandbox.overrides, "profile_cron": PROFILE_CRON}

    def _start(self, *arguments: str, environment: dict[str, str]) -> None:
        log = self._sandbox.home.dagster / f"{arguments[0]}.log"
        with self._interruption.postponed(), log.open("ab") as output:
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
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_S)
            # What it started itself, such as its code server and runs, is of its process group.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _check_free(port: int) -> None:
    """Raises ConfigurationError when somebody else listens on the port."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on port {port}: {error.strerror}",
                fields=("--port",),
                hint="stop what runs there, or give another --port",
            ) from error
