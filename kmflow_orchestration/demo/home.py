"""The folder a demo or development set-up lives in: secrets, ports, Dagster's instance (AD14)."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from kmflow_orchestration.workspace.own_token import own_secret

PACKAGE = "kmflow_orchestration"


@dataclass(frozen=True, slots=True)
class Home:
    """`root` is the absolute path of KMFLOW_HOME; everything below is made on first use."""

    root: Path

    @classmethod
    def at(cls, directory: Path) -> Home:
        root = directory.resolve()
        root.mkdir(parents=True, exist_ok=True)
        return cls(root)

    @property
    def workspace(self) -> Path:
        """State of the embedded workspace."""
        return self.root / "workspace"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.root / "dagster"

    @property
    def lock_file(self) -> Path:
        """Held by the one process that executes runs for this folder."""
        return self.root / "demo.lock"

    def secret_file(self, name: str) -> Path:
        """A secret of this machine: made once, readable by its owner only."""
        path = self.root / "secrets" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return own_secret(path)

    def port(self, name: str) -> int:
        """The same free port each time, so that a group's workspace address stays what it was."""
        file = self.root / "ports.json"
        ports = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if not _is_free(ports.get(name, 0)):
            ports[name] = _free_port()
            scratch = file.with_suffix(".new")
            scratch.write_text(json.dumps(ports, indent=2, sort_keys=True), encoding="utf-8")
            scratch.replace(file)
        return int(ports[name])

    def prepare_dagster(self, settings: str = "dagster.yaml") -> Path:
        """Make DAGSTER_HOME with our instance settings; returns it."""
        self.dagster.mkdir(parents=True, exist_ok=True)
        text = instance_settings(settings)
        target = self.dagster / "dagster.yaml"
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
        return self.dagster


def instance_settings(name: str) -> str:
    """A settings file of the project: beside the package in a checkout, inside it in a wheel."""
    packaged = resources.files(PACKAGE).joinpath(name)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    beside = Path(str(resources.files(PACKAGE))).parent / name
    return beside.read_text(encoding="utf-8")


def _is_free(port: int) -> bool:
    if not port:
        return False
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
