"""The embedded workspace for tests of every area.

    from kmflow_orchestration_tests.embedded import embedded_server, room  # in an area's conftest

    def test_…(room):
        acme = room.group("acme")                      # service principal, catalog `acme`
        acme.client().files.upload(f"{acme.volume}/a.txt", …)
        assert room.server.requests("PUT").count(principal=acme.principal) == 1

One server is started per test session; every `room` is a fresh workspace in it, with principals
and tokens of its own, and begins without faults and with an empty request log.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from kmflow_orchestration.workspace.seeding import seed_group, seed_workspace
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration.workspace.wire import Caller

SCHEMA, VOLUME = "main", "evidence"
_NUMBERS = itertools.count(1)


def client_for(host: str, token: str, **settings: Any) -> WorkspaceClient:
    """A real SDK client that gives up after a second instead of five minutes."""
    settings = {"retry_timeout_seconds": 1, **settings}
    return WorkspaceClient(config=Config(host=host, token=token, auth_type="pat", **settings))


@dataclass(frozen=True)
class GroupInRoom:
    """One service principal with a catalog `catalog`, a schema `main`, a Volume `evidence`."""

    host: str
    caller: Caller
    token: str
    catalog: str

    @property
    def principal(self) -> str:
        return self.caller.principal

    @property
    def volume(self) -> str:
        return f"/Volumes/{self.catalog}/{SCHEMA}/{VOLUME}"

    def client(self, **settings: Any) -> WorkspaceClient:
        """A new SDK client of this principal; settings go to `Config`."""
        return client_for(self.host, self.token, **settings)

    def upload(self, name: str, content: bytes) -> str:
        """Put a file into the Volume; its path."""
        path = f"{self.volume}/{name}"
        self.client().files.upload(path, io.BytesIO(content), overwrite=True)
        return path


@dataclass
class Room:
    """A fresh workspace of the running server."""

    server: EmbeddedWorkspace
    admin: Caller
    admin_token: str
    groups: dict[str, GroupInRoom] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    def group(self, name: str) -> GroupInRoom:
        """A group by name, made at first use."""
        if name not in self.groups:
            token = f"token-{name}-{next(_NUMBERS)}"
            seeded = seed_group(
                self.server,
                self.admin,
                principal=f"{name}-service",
                token=token,
                catalog=name,
                volumes=(f"{SCHEMA}.{VOLUME}",),
            )
            self.groups[name] = GroupInRoom(self.url, seeded.caller, token, name)
        return self.groups[name]

    def admin_client(self) -> WorkspaceClient:
        """An SDK client of the workspace's administrator."""
        return client_for(self.url, self.admin_token)


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedWorkspace]:
    """The session's one server."""
    with EmbeddedWorkspace(tmp_path_factory.mktemp("workspace")) as server:
        yield server


@pytest.fixture
def room(embedded_server: EmbeddedWorkspace) -> Iterator[Room]:
    """A fresh workspace; faults and the request log are cleared around the test."""
    yield fresh_room(embedded_server)
    embedded_server.faults.clear()


def fresh_room(server: EmbeddedWorkspace) -> Room:
    """A workspace nobody has used, on a server of the caller's own."""
    number = next(_NUMBERS)
    token = f"admin-token-{number}"
    admin = seed_workspace(server, f"room-{number}", admin_token=token)
    server.faults.clear()
    server.services.request_log.clear()
    return Room(server, admin, token)


def tiny_wheel(
    source: str,
    *,
    package: str = "tiny",
    version: str = "1.0",
    entry_points: dict[str, str] | None = None,
) -> bytes:
    """A wheel of one module; `entry_points` are name → `module:function`."""
    info = f"{package}-{version}.dist-info"
    entries = entry_points if entry_points is not None else {"main": f"{package}:main"}
    lines = ["[anything]", *(f"{name} = {target}" for name, target in entries.items())]
    files = {
        f"{package}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join(lines) + "\n",
    }
    files[f"{info}/RECORD"] = "".join(_record(name, text) for name, text in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            # The same wheel whenever it is made: an archive holds the clock's time otherwise.
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def _record(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(text.encode())}\n"
