"""The embedded workspace as a server on loopback: start, stop, address."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.routing import Route, Router

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.workspace import (
    clusters_api,
    faults_api,
    files,
    identity_api,
    jobs,
    multipart_uploads,
    oidc_api,
    permissions_api,
    presigned_downloads,
    secrets_api,
    sessions_api,
    statements,
    thrift_endpoint,
    tokens_api,
    unity_catalog,
    warehouses,
)
from kmflow_orchestration.workspace.allowed_volumes import AllowedVolumes
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.certificates import CertificateFiles, own_certificate
from kmflow_orchestration.workspace.connections import Connections
from kmflow_orchestration.workspace.executions import Executions
from kmflow_orchestration.workspace.faults import Faults
from kmflow_orchestration.workspace.federation import Federation
from kmflow_orchestration.workspace.foundation import Cloud
from kmflow_orchestration.workspace.gate import Gate, not_found
from kmflow_orchestration.workspace.job_runner import Jobs
from kmflow_orchestration.workspace.oauth import OAuth
from kmflow_orchestration.workspace.request_log import RequestLog, Requests
from kmflow_orchestration.workspace.secret_scopes import SecretScopes
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.sql_engine import SqlEngine
from kmflow_orchestration.workspace.sql_sessions import SqlSessions
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.statements import Statements
from kmflow_orchestration.workspace.thrift_endpoint import ThriftEndpoint
from kmflow_orchestration.workspace.token_limits import TokenLimits
from kmflow_orchestration.workspace.user_logins import UserLogins
from kmflow_orchestration.workspace.warehouses import Warehouses

_THREADS = 200
"""Requests that may block at the same time: statements wait up to 50 s, uploads come by 32."""
_START_S = 20.0


class WorkspaceDirectoryBusy(KmflowError):
    """Another embedded workspace server holds the directory."""

    code = "KM-WORKSPACE-001"


class EmbeddedWorkspace:
    """A Databricks workspace (several, told apart by token) in this process.

    State lives in `directory` and survives restarts. Port 0 takes a free one. With `tls` it serves
    https with a certificate of its own, whose file `trust` clients must be given. `cloud` is whose
    ways it has where clouds differ.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock | None = None,
        port: int = 0,
        tls: bool = False,
        cloud: Cloud = "AWS",
    ) -> None:
        self.directory = directory
        self._cloud = cloud
        self._clock = clock or SystemClock()
        self._port = port
        self._tls = tls
        self._running: _Running | None = None

    def start(self) -> EmbeddedWorkspace:
        """Serve from a thread of its own; returns when requests are answered.

        Raises:
            WorkspaceDirectoryBusy: another server works on the same directory.
            OSError: the port is taken.
        """
        self._running = _Running(self.directory, self._clock, port=self._port, tls=self._tls)
        self.services.cloud = self._cloud
        return self

    def stop(self) -> None:
        """Finish open requests, end job runs and the engine; harmless when not started."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    def wait(self) -> None:
        """Block until another thread stops the server, or the process is interrupted."""
        while self._running is not None and self._running.serving(for_s=0.5):
            pass

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, what a client gives as its host; `https://…` with TLS."""
        return self._started.url

    @property
    def trust(self) -> Path | None:
        """File of the certificate that clients must trust; None without TLS."""
        files = self._started.certificate
        return files.certificate if files is not None else None

    @property
    def services(self) -> Services:
        """The parts of the running server."""
        return self._started.services

    @property
    def state(self) -> WorkspaceState:
        """Workspaces and principals of the running server."""
        return self.services.state

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        return self.services.faults

    def requests(self, method: str = "*", path: str = "*") -> Requests:
        """Requests answered so far, by method and path pattern."""
        return self.services.request_log.matching(method, path)

    def has_seen(self, secret: str) -> bool:
        """Whether a token or client secret was sent to this server, by anybody."""
        return self.services.request_log.has_seen(secret)

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the embedded workspace is not started")
        return self._running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Running:
    """What exists between start and stop."""

    def __init__(self, directory: Path, clock: Clock, *, port: int, tls: bool) -> None:
        install_redaction()
        directory.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:
            lock = _locked(directory)
            opened.callback(lock.release)
            listener = opened.enter_context(_listening(port))
            self.services = build_services(WorkspaceState(directory, clock))
            opened.callback(_close_services, self.services)
            self.certificate = own_certificate(directory, clock.now()) if tls else None
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            self.url = self.services.url = f"{'https' if tls else 'http'}://{address}"
            connections = Connections()
            router = Router(_routes(self.services), redirect_slashes=False, default=not_found)
            gate = Gate(self.services, router, connections.hang_up)
            self._server = _Server(_config(gate, connections, self.certificate))
            self._thread = threading.Thread(
                target=self._server.run, args=([listener],), name="workspace", daemon=True
            )
            self._thread.start()
            if not self._server.ready.wait(_START_S):
                raise RuntimeError("the embedded workspace did not start")
            self._opened = opened.pop_all()

    def serving(self, *, for_s: float) -> bool:
        """Whether the server still runs after so many seconds."""
        self._thread.join(for_s)
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop serving, then close what was opened, the last first."""
        self._server.should_exit = True
        self._thread.join(_START_S)
        self._opened.close()


def _close_services(services: Services) -> None:
    for part in reversed(list(vars(services).values())):
        close = getattr(part, "close", None)
        if close is not None:
            close()


class _Server(uvicorn.Server):
    """uvicorn that says when it is up and gives blocking handlers enough threads."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        from anyio.to_thread import current_default_thread_limiter

        current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets)
        self.ready.set()


def build_services(state: WorkspaceState) -> Services:
    """All parts of a server, wired."""
    services = Services(state, Faults(), RequestLog())
    services.catalog = CatalogStore(services)
    services.allowed_volumes = AllowedVolumes(services, services.catalog)
    services.engine = SqlEngine(services)
    services.warehouses = Warehouses(services)
    services.executions = Executions(services)
    services.sql_sessions = SqlSessions(services)
    services.statements = Statements(services)
    services.thrift = ThriftEndpoint(services)
    services.jobs = Jobs(services)
    services.token_limits = TokenLimits(state)
    services.oauth = OAuth(state, services.token_limits)
    services.user_logins = UserLogins(state, services.oauth)
    services.federation = Federation(state, services.oauth)
    services.secret_scopes = SecretScopes(state)
    return services


def _routes(services: Services) -> list[Route]:
    modules = (
        identity_api,
        oidc_api,
        secrets_api,
        faults_api,
        files,
        multipart_uploads,
        presigned_downloads,
        jobs,
        unity_catalog,
        permissions_api,
        sessions_api,
        tokens_api,
        clusters_api,
    )
    return [
        *(route for module in modules for route in module.routes(services)),
        *warehouses.routes(services.warehouses),
        *statements.routes(services.statements),
        *thrift_endpoint.routes(services.thrift),
    ]


def _config(
    gate: Gate, connections: Connections, certificate: CertificateFiles | None
) -> uvicorn.Config:
    return uvicorn.Config(
        gate,
        ssl_certfile=certificate.certificate if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=3,
        backlog=512,
    )


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; without it every keep-alive answer can cost 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _locked(directory: Path) -> Any:
    from filelock import FileLock, Timeout

    lock = FileLock(directory / ".server.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorkspaceDirectoryBusy(
            f"another workspace server works on {directory}", hint="stop it, or give another --dir"
        ) from error
    return lock


def databrickscfg(url: str, profiles: dict[str, str]) -> str:
    """Text for `~/.databrickscfg`: one profile per name, with its token."""
    return "\n".join(
        f"[{name}]\nhost = {url}\ntoken = {token}\n" for name, token in profiles.items()
    )


def run(
    directory: Path,
    *,
    port: int = 0,
    clock: Clock | None = None,
    tls: bool = False,
    cloud: Cloud = "AWS",
    on_start: Callable[[EmbeddedWorkspace], None],
) -> None:
    """Serve until interrupted (SIGINT, SIGTERM) or stopped by another thread.

    `on_start` gets the running server, to seed it and to print its address.
    """
    with (
        _terminable(),
        EmbeddedWorkspace(directory, clock=clock, port=port, tls=tls, cloud=cloud) as workspace,
    ):
        on_start(workspace)
        with contextlib.suppress(KeyboardInterrupt):
            workspace.wait()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends like SIGINT, with jobs and engine stopped; only a main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
