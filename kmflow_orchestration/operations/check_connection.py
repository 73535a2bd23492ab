"""Whether a group's workspace can be used, step by step, with what to do about it (A8, C16).

The steps go from near to far: settings, name, network, sign-in, warehouse, catalog, Volumes. The
first that fails ends the check, because those after it could only fail for the same reason.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from uuid import uuid4

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import check_connection as check_settings
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.proxies import proxy_for
from kmflow_orchestration.databricks_client.reachability import addresses, handshake, reach_proxy
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import (
    Warehouse,
    list_warehouses,
    ready_warehouse,
)
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import KmflowError, RemoteNotFound, StorageUnavailable
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.connection_remedies import detail_of, remedy_for
from kmflow_orchestration.outputs.resolve import resolve_upload

Connect = Callable[[GroupConfig], WorkspaceCalls]
"""Opens a client of its own for the check, which is closed at the end."""

Remedy = Callable[[str, KmflowError], str]
"""What to do about a step that failed."""

TlsContext = Callable[[], ssl.SSLContext]
"""What connections of this process trust."""

Step = tuple[str, Callable[[], str]]
"""Its name, and what it does: gives what was found, raises KmflowError."""

PROBE_FOLDER = (".kmflow", "probes")


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One step: what was found, or what failed and what to do. Times are in milliseconds."""

    name: str
    status: Literal["ok", "fail"]
    detail: str
    milliseconds: float
    remedy: str = ""
    code: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """All steps up to the first that failed."""

    group: str
    status: Literal["success", "error", "disabled"]
    steps: tuple[CheckStep, ...]

    @property
    def connected(self) -> bool:
        return self.status == "success"

    @property
    def message(self) -> str:
        """One sentence for whoever asked."""
        if self.status == "disabled":
            return "the group is disabled"
        failed = [step for step in self.steps if step.status == "fail"]
        return f"{failed[0].name}: {failed[0].detail}" if failed else "everything answers"

    @property
    def exit_code(self) -> int:
        """That of the step that failed, by the one table of exits; 3 for a disabled group."""
        if self.status == "disabled":
            return 3
        return next((step.exit_code for step in self.steps if step.status == "fail"), 0)


def check_connection(
    config: GroupConfig,
    *,
    connect: Connect,
    clock: Clock,
    timeout_s: float = 30.0,
    tls_context: TlsContext = ssl.create_default_context,
) -> ConnectionCheck:
    """Try everything a group's work needs of its workspace; nothing is left behind.

    `timeout_s` bounds each attempt to reach the host, which must prove who it is to `tls_context`.
    A stopped warehouse is started and waited for as long as the group's
    `warehouse_start_timeout_s`. Never raises for what it finds.
    """
    return Checking(config, connect, clock, timeout_s, tls_context).done()


def check_folders(
    config: GroupConfig, *, landing: Path, evidence: Path, clock: Clock
) -> ConnectionCheck:
    """The same for a group without a workspace: its two folders on this machine."""

    def landing_can_be_read() -> str:
        with _disk(landing, "kmflow must be able to read it"):
            return f"{landing}: {sum(1 for _ in landing.iterdir())} entries"

    steps = {"landing folder": landing_can_be_read, "evidence folder": lambda: try_folder(evidence)}
    return _checked(config, steps.items(), clock, lambda _, error: error.hint)


def try_folder(evidence: Path) -> str:
    """Write, read back and remove a file in a folder on this machine; what was done.

    Raises:
        StorageUnavailable: one of these failed.
    """
    place = evidence.joinpath(*PROBE_FOLDER, str(uuid4()))
    with _disk(evidence, "kmflow must be able to write there"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(place.name, encoding="ascii")
        try:
            read = place.read_text(encoding="ascii")
        finally:
            place.unlink()
    if read != place.name:
        raise StorageUnavailable(f"{evidence}: what was read is not what was written")
    return f"{evidence}: written, read, removed"


@contextmanager
def _disk(place: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{place}: {error.strerror}", hint=hint) from error


def _checked(
    config: GroupConfig, looks: Iterable[Step], clock: Clock, remedy: Remedy
) -> ConnectionCheck:
    if not config.is_enabled:
        return ConnectionCheck(config.group_id, "disabled", ())
    return all_steps(config.group_id, looks, clock, remedy)


def all_steps(name: str, looks: Iterable[Step], clock: Clock, remedy: Remedy) -> ConnectionCheck:
    """Steps up to the first that fails; `name` is the group they are done for, or ''."""
    steps: list[CheckStep] = []
    for step, look in looks:
        steps.append(_step(step, look, clock, remedy))
        if steps[-1].status == "fail":
            return ConnectionCheck(name, "error", tuple(steps))
    return ConnectionCheck(name, "success", tuple(steps))


def _step(name: str, look: Callable[[], str], clock: Clock, remedy: Remedy) -> CheckStep:
    begun = clock.monotonic()
    try:
        detail = look()
    except KmflowError as error:
        took_ms = (clock.monotonic() - begun) * 1000
        what_to_do = remedy(name, error)
        return CheckStep(
            name, "fail", detail_of(error), took_ms, what_to_do, error.code, error.exit_code
        )
    return CheckStep(name, "ok", detail, (clock.monotonic() - begun) * 1000)


class Checking:
    """The steps of one check, and the client they share once there is one."""

    def __init__(
        self,
        config: GroupConfig,
        connect: Connect,
        clock: Clock,
        timeout_s: float,
        tls_context: TlsContext,
    ) -> None:
        self._config = config
        self._connect = connect
        self._clock = clock
        self._timeout_s = timeout_s
        self._tls_context = tls_context
        self._opened: WorkspaceCalls | None = None

    def done(self) -> ConnectionCheck:
        """All steps up to the first that fails."""
        try:
            return _checked(self._config, self.steps(), self._clock, self.remedy)
        finally:
            self.close()

    def steps(self) -> Iterator[Step]:
        yield from self.nearest_steps()
        yield "warehouse", self._warehouse
        yield "statement", self._statement
        yield "catalog", self._catalog
        yield "schema", self._schema
        yield "volume", self._volume
        yield "probe file", self._probe
        if self._config.volume_enabled:
            yield "outputs", self._outputs

    def nearest_steps(self) -> Iterator[Step]:
        """Those that every use of a workspace needs."""
        yield "settings", self._settings
        yield "credentials", self._credentials
        yield "host name", self._host_name
        yield "network", self._network
        yield "sign-in", self._sign_in

    def remedy(self, step: str, error: KmflowError) -> str:
        """What to do about a step that failed."""
        where = "the group's settings" if self._opened is None else self._opened.sign_in.where
        return remedy_for(step, error, self._config, where=where, timeout_s=self._timeout_s)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def calls(self) -> WorkspaceCalls:
        if self._opened is None:
            self._opened = self._connect(self._config)
        return self._opened

    def _settings(self) -> str:
        check_settings(self._config)
        where = f"configuration version {self._config.version}"
        return f"{self._config.host}, {self._config.volume.text} ({where})"

    def _credentials(self) -> str:
        # Opening the client resolves the reference and refuses what can be no credential.
        _ = self.calls
        return f"set ({self.calls.sign_in.where})"

    @property
    def _address(self) -> tuple[str, int, bool]:
        url = urlsplit(self._config.workspace_url)
        has_tls = url.scheme == "https"
        return url.hostname or "", url.port or (443 if has_tls else 80), has_tls

    def _host_name(self) -> str:
        host, port, _ = self._address
        proxy = proxy_for(self._config.workspace_url)
        if proxy is not None:
            return f"left to the proxy {proxy.at}"
        return ", ".join(addresses(host, port))

    def _network(self) -> str:
        host, port, has_tls = self._address
        proxy = proxy_for(self._config.workspace_url)
        if proxy is not None:
            reach_proxy(proxy, timeout_s=self._timeout_s)
            return f"through the proxy {proxy.at}"
        context = self._tls_context() if has_tls else None
        agreed = handshake(host, port, tls=context, timeout_s=self._timeout_s)
        return f"port {port}, {agreed}"

    def _sign_in(self) -> str:
        principal = current_principal(self.calls)
        name = principal.display_name or principal.user_name
        return f"{name} ({self.calls.auth_kind})"

    @property
    def _chosen(self) -> Warehouse:
        return Warehouse(self.calls, self._config.warehouse_id, clock=self._clock)

    def _warehouse(self) -> str:
        chosen, patience_s = self._chosen.id, self._config.warehouse_start_timeout_s
        try:
            found = ready_warehouse(
                self.calls, chosen, clock=self._clock, start_timeout_s=patience_s
            )
        except RemoteNotFound as error:
            known = ", ".join(one.id for one in list_warehouses(self.calls))
            raise RemoteNotFound(
                f"there is no warehouse {chosen}, or it may not be seen",
                hint=f"set warehouse_id to one of: {known or '(none may be seen)'}",
            ) from error
        return f"{chosen} was {found}"

    def _statement(self) -> str:
        statements = Statements(self.calls, self._chosen, self._clock, timeout_s=self._timeout_s)
        statements.fetch_small("SELECT 1")
        return "SELECT 1"

    def _catalog(self) -> str:
        if not UnityCatalog(self.calls).catalog_exists(self._config.catalog):
            raise RemoteNotFound(
                f"there is no catalog {self._config.catalog}, or it may not be seen",
                hint=f"kmflow provision --group {self._config.group_id}, or ask for USE CATALOG",
            )
        return self._config.catalog

    def _schema(self) -> str:
        found = UnityCatalog(self.calls).schemas(self._config.catalog)
        missing = [name for name in self._config.namespace.schemas if name not in found]
        if missing:
            raise RemoteNotFound(
                f"missing in {self._config.catalog}: {', '.join(missing)}",
                hint=f"kmflow provision --group {self._config.group_id}, or ask for USE SCHEMA",
            )
        return ", ".join(self._config.namespace.schemas)

    def _volume(self) -> str:
        config = self._config
        if config.evidence_volume not in UnityCatalog(self.calls).volumes(
            config.catalog, config.schema
        ):
            raise RemoteNotFound(
                f"there is no Volume {config.volume.text}, or it may not be seen",
                hint=f"kmflow provision --group {config.group_id}, or ask for READ VOLUME",
            )
        return config.volume.text

    def _probe(self) -> str:
        return self._tried(self._config.volume)

    def _outputs(self) -> str:
        """The place for outputs of tasks; a Volume that is not there is made with the first."""
        place = resolve_upload(self._config, None).checked_place
        try:
            return f"{place.text}: {self._tried(place)}"
        except RemoteNotFound:
            if place.schema in UnityCatalog(self.calls).schemas(place.catalog):
                return f"{place.text} is made with the first output"
        raise RemoteNotFound(
            f"there is no schema {place.catalog}.{place.schema} for outputs, or it may not be seen",
            hint="set volume_path to a schema that is there, or ask for USE SCHEMA on it",
        )

    def _tried(self, volume: VolumePath) -> str:
        """Write, read back and remove a file whose name nobody else can have."""
        files = VolumeFiles(self.calls)
        place = volume.joined(*PROBE_FOLDER, f"{uuid4()}.txt")
        content = str(uuid4()).encode()
        files.upload(place, lambda: io.BytesIO(content))
        try:
            with files.open_read(place) as stream:
                read = stream.read()
        finally:
            files.delete(place)
        if read != content:
            raise StorageUnavailable(f"{place.text}: what was read is not what was written")
        return "written, read, removed"
