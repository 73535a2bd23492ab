"""Two groups in one workspace, their engines, and models of people's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Engine, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.lakehouse_sql.engines import EngineParts
from kmflow_orchestration.lakehouse_sql.group_engines import GroupEngines, OpenEngine
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import CATALOG, GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock


class Base(DeclarativeBase):
    """Models that a user would write."""


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String)


@dataclass
class SqlWorld:
    """Engines of the groups of a room; every set that is opened is closed at the end."""

    room: Room
    clock: FakeClock
    folder: Path
    opened: list[GroupEngines] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.groups = GroupsInRoom(self.room, self.clock)

    @property
    def http_path(self) -> str:
        warehouses = self.room.server.services.warehouses
        return f"/sql/1.0/warehouses/{warehouses.default_id(self.room.admin.workspace_id)}"

    def config(self, group: str, **settings: Any) -> GroupConfig:
        """A group's settings, with its warehouse."""
        return replace(self.groups.config(group), **{"http_path": self.http_path, **settings})

    def engines(
        self, *, use_databricks: bool = True, fallback: Any = "never", **parts: Any
    ) -> GroupEngines:
        """A set of engines as a process would hold one."""
        known: dict[str, Any] = {
            "client": self.groups.clients.get,
            "clock": self.clock,
            "sqlite_path": self.folder / "models.db",
        }
        made = GroupEngines(
            EngineParts(**{**known, **parts}), use_databricks=use_databricks, fallback=fallback
        )
        self.opened.append(made)
        return made

    def open(self, group: str, *, metadata: MetaData = Base.metadata, **how: Any) -> OpenEngine:
        """A group's engine out of a new set; on Databricks its tables are not made."""
        return self.engines(**how).get(self.config(group), metadata)

    def engine(self, group: str, **how: Any) -> Engine:
        """The same with the tables of `Base` made on either backend."""
        engine = self.open(group, **how).engine
        Base.metadata.create_all(engine)
        return engine

    def rows(self, group: str, statement: str) -> list[dict[str, Any]]:
        """What the workspace says over REST, to the group itself."""
        client = self.room.admin_client().statement_execution
        answer = client.execute_statement(
            statement,
            self.http_path.rpartition("/")[2],
            catalog=CATALOG,
            schema=f"{group}_evidence",
            wait_timeout="50s",
        )
        assert answer.manifest is not None, answer.status
        assert answer.result is not None
        names = [column.name for column in answer.manifest.schema.columns]
        return [dict(zip(names, row, strict=True)) for row in answer.result.data_array or []]

    def calls(self) -> int:
        """How often the driver asked the workspace."""
        return self.room.server.requests("POST", "/sql/1.0/*").count()

    def close(self) -> None:
        for engines in self.opened:
            engines.close()
        self.groups.close()
