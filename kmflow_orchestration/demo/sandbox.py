"""A complete set-up on this machine: embedded workspace, service, groups, tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Literal, Self

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.demo.dagster_storage import prepare_storage
from kmflow_orchestration.demo.groups import (
    SCHEMA,
    landing_root,
    local_groups,
    token_name,
    workspace_groups,
)
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.loopback import past_proxies
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.group_configuration import save_if_changed
from kmflow_orchestration.operations.provision import ProvisionStep, provision
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration.workspace.own_token import read_own
from kmflow_orchestration.workspace.seeding import seed_group, seed_workspace
from kmflow_orchestration.workspace.server import EmbeddedWorkspace

Backend = Literal["databricks", "local", "delta"]
ADMIN_TOKEN = "workspace-admin.token"  # noqa: S105  (a file's name)
CALLBACK_KEY = "callback.key"
AUTHOR = "kmflow demo"


def demo_settings(home: Home, backend: Backend) -> dict[str, str]:
    """Process settings of a demo or development set-up, by field name; secrets as references."""
    return {
        "home": str(home.root),
        "storage_backend": backend,
        "environment": "dev",
        # No connection of the environment takes part: it may be to a real workspace.
        "use_databricks": "false",
        "callback_base_url": f"http://127.0.0.1:{home.port('service')}",
        "callback_key": f"file:{home.secret_file(CALLBACK_KEY)}",
        "service_port": str(home.port("service")),
        "quiet_period_s": "0.2",
        "profile_first_poll_s": "15",
        "profile_longest_poll_s": "15",
        "profile_retry_pause_s": "1",
    }


class Sandbox:
    """Everything the demo needs, running; a context manager.

    One process at a time may use a home, and a home keeps the backend it was first used with.
    """

    def __init__(self, home: Home, backend: Backend) -> None:
        self.home = home
        self.backend = backend
        self.overrides = demo_settings(home, backend)
        self.workspace: EmbeddedWorkspace | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(_held(self.home))
            opening.enter_context(past_proxies())
            _keep_backend(self.home, self.backend)
            settings = load_settings(**self.overrides)
            prepare_storage(self.home, settings)
            self.context = opening.enter_context(Context(settings))
            self.context.migrate()
            if self.backend == "databricks":
                server = EmbeddedWorkspace(self.home.workspace, port=self.home.port("workspace"))
                self.workspace = opening.enter_context(server)
                seed(self.workspace, self.home)
            self._save_groups()
            self._take_over()
            opening.enter_context(self._service())
            self._opened = opening.pop_all()
        return self

    def _save_groups(self) -> None:
        if self.workspace is None:
            groups = local_groups(self.home)
        else:
            warehouse = default_warehouse(self.workspace)
            groups = workspace_groups(self.home, self.workspace.url, warehouse)
        for values in groups:
            save_if_changed(values, configs=self.context.group_configs, author=AUTHOR)
            landing_root(self.home, values.group_id).mkdir(parents=True, exist_ok=True)

    def _take_over(self) -> None:
        """Nobody else works in this home: what waits for a process waits for a dead one."""
        for group in self.groups:
            self.context.profile_runs.look_at_once(group, at=self.context.clock.now())
            self.context.table_groups.free_job_creations(group)

    def _service(self) -> ServiceServer:
        dependencies = ServiceDependencies(
            runs=self.context.profile_runs,
            keys=self.context.callback.keys,
            storage=self.backend,
            clock=self.context.clock,
            tokens=self.context.api_tokens,
            health=self.context.health,
            group=self.context.group,
        )
        settings = self.context.settings
        return ServiceServer(
            create_app(dependencies), host=settings.service_host, port=settings.service_port
        )

    @property
    def groups(self) -> list[GroupId]:
        return self.context.group_configs.groups()

    def provision(self) -> dict[GroupId, list[ProvisionStep]]:
        """Catalog, schemas, Volume and tables of every group; a second call makes nothing."""
        with ThreadPoolExecutor(len(self.groups)) as pool:
            return dict(zip(self.groups, pool.map(self._provision, self.groups), strict=True))

    def _provision(self, group: GroupId) -> list[ProvisionStep]:
        one = self.context.group(group)
        calls = self.context.clients.get(one.config) if self.workspace is not None else None
        steps = provision(one.config, one.lakehouse, calls)
        failed = [f"{step.object}: {step.message}" for step in steps if step.action == "failed"]
        if failed:
            raise ConfigurationError(f"{group}: {'; '.join(failed)}")
        return steps

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def seed(workspace: EmbeddedWorkspace, home: Home) -> None:
    """One workspace with the demo's groups as two service principals; repeatable."""
    token = read_own(home.secret_file(ADMIN_TOKEN))
    admin = seed_workspace(workspace, "demo", admin_token=token)
    for group in ("acme", "globex"):
        seed_group(
            workspace,
            admin,
            principal=f"sp-{group}",
            token=read_own(home.secret_file(token_name(group))),
            catalog=group,
            schemas=(),
        )


def default_warehouse(workspace: EmbeddedWorkspace) -> str:
    """Id of the workspace's SQL warehouse."""
    (workspace_id,) = workspace.state.workspaces()
    return workspace.services.warehouses.default_id(workspace_id)


def _held(home: Home) -> ExitStack:
    from filelock import FileLock, Timeout

    lock = FileLock(home.lock_file, timeout=0)
    held = ExitStack()
    try:
        held.enter_context(lock)
    except Timeout as error:
        raise ConfigurationError(
            f"another kmflow process works in {home.root}", hint="stop it, or give another --dir"
        ) from error
    return held


def _keep_backend(home: Home, backend: Backend) -> None:
    mark = home.root / "backend"
    if mark.exists() and mark.read_text(encoding="ascii").strip() != backend:
        raise ConfigurationError(
            f"{home.root} holds a demo on {mark.read_text(encoding='ascii').strip()} storage",
            hint="give another --dir, or remove the folder",
        )
    mark.write_text(backend, encoding="ascii")


__all__ = ["SCHEMA", "Backend", "Sandbox", "default_warehouse", "demo_settings", "seed"]
