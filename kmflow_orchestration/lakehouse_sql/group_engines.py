"""Which engine a group gets, made once, and thrown away together (rows C12 to C14, CD-S1)."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine, MetaData

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.reachability import HostUnreachable
from kmflow_orchestration.databricks_client.retries import TransientFault
from kmflow_orchestration.errors import RemoteFault, WarehouseUnavailable
from kmflow_orchestration.lakehouse_sql.addresses import group_url, http_path_of
from kmflow_orchestration.lakehouse_sql.driver import require_driver
from kmflow_orchestration.lakehouse_sql.engines import (
    EngineParts,
    open_databricks,
    open_group_sqlite,
    probe,
)
from kmflow_orchestration.lakehouse_sql.models import LakehouseModel, LakehouseTable

logger = logging.getLogger(__name__)
Fallback = Literal["never", "on_unreachable"]
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Where a group's SQL goes, and why."""

    backend: Literal["databricks", "sqlite"]
    host: str
    fallback: bool
    reason: str

    def metadata(self) -> dict[str, str | bool]:
        """For the metadata of an asset that used the engine."""
        return {
            "db/backend": self.backend,
            "db/fallback": self.fallback,
            "db/fallback_reason": self.reason if self.fallback else "",
        }


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine and the choice that led to it."""

    engine: Engine
    choice: EngineChoice


class GroupEngines:
    """One engine per group, host, path, sign-in and version of the group's settings.

    A fallback lasts as long as this object, a run or a process: a group's rows must not go here
    and there.
    """

    def __init__(
        self, parts: EngineParts, *, use_databricks: bool, fallback: Fallback = "never"
    ) -> None:
        self._parts = parts
        self._use_databricks = use_databricks
        self._fallback = fallback
        # One lock a group: trying a workspace that is away may take minutes.
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._open: dict[_Key, OpenEngine] = {}

    def get(self, config: GroupConfig, metadata: MetaData | None = None) -> OpenEngine:
        """The group's engine.

        On SQLite the tables of `LakehouseModel`, of ours and of `metadata` exist when it returns.

        Raises:
            MissingDependency: Databricks is on and its driver not installed.
            ConfigurationError: naming what is missing in the group's settings.
            AccessRefused, RemoteFault: where a fallback is allowed the workspace is tried first,
                and only one that cannot be reached is fallen back from.
        """
        with self._locks[config.group_id]:
            found = self._opened(config)
        if found.choice.backend == "sqlite":
            _create_tables(found.engine, metadata)
        return found

    def close(self) -> None:
        """Close all connections; a second call is harmless, and engines can be asked for again."""
        while self._open:
            self._open.popitem()[1].engine.dispose()

    def _opened(self, config: GroupConfig) -> OpenEngine:
        if not self._use_databricks:
            key: _Key = (config.group_id, "sqlite")
            if key not in self._open:
                self._enter(key, config, self._sqlite(config, "Databricks is switched off"))
            return self._open[key]
        require_driver()
        group_url(config)  # names what is missing before a token is fetched
        sign_in = self._parts.client(config).sign_in
        place = (config.host, http_path_of(config), sign_in.kind, sign_in.where)
        key = (config.group_id, *place, str(config.version))
        if key not in self._open:
            choice = EngineChoice("databricks", config.host, False, "Databricks is switched on")
            engine = OpenEngine(open_databricks(config, sign_in, self._parts), choice)
            self._enter(key, config, self._or_fallback(engine, config))
        return self._open[key]

    def _or_fallback(self, opened: OpenEngine, config: GroupConfig) -> OpenEngine:
        if self._fallback == "never":
            return opened
        try:
            probe(opened.engine)
        except RemoteFault as fault:
            opened.engine.dispose()
            if not _is_away(fault):
                raise
            return self._sqlite(config, fault.message, fallback=True)
        except BaseException:
            opened.engine.dispose()
            raise
        return opened

    def _sqlite(self, config: GroupConfig, reason: str, *, fallback: bool = False) -> OpenEngine:
        engine = open_group_sqlite(config, self._parts)
        return OpenEngine(engine, EngineChoice("sqlite", "", fallback, reason))

    def _enter(self, key: _Key, config: GroupConfig, opened: OpenEngine) -> None:
        choice = opened.choice
        level = logging.WARNING if choice.fallback else logging.INFO
        logger.log(
            level,
            "SQL of group %s goes to %s%s: %s",
            config.group_id,
            choice.backend,
            f" at {choice.host}" if choice.host else "",
            choice.reason,
        )
        for old in [one for one in list(self._open) if one[0] == config.group_id]:
            self._open.pop(old).engine.dispose()
        self._open[key] = opened


def _is_away(fault: RemoteFault) -> bool:
    """Whether a fault is one of those a fallback may answer (settlement CD-S1)."""
    if isinstance(fault, HostUnreachable):
        return fault.error_code != "TLS"
    # A token that could not be fetched because nobody answered.
    unanswered = isinstance(fault.__cause__, TransientFault) and not fault.__cause__.was_refused
    return unanswered or isinstance(fault, WarehouseUnavailable)


def _create_tables(engine: Engine, metadata: MetaData | None) -> None:
    for one in (LakehouseTable.metadata, LakehouseModel.metadata, metadata):
        if one is not None:
            one.create_all(engine)
