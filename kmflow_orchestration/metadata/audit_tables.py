"""Model of the audit trail (row A19): rows are added and never touched again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import JSON, Connection, String, event
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from kmflow_orchestration.errors import AppendOnly
from kmflow_orchestration.metadata.schema import Base, UtcDateTime


class ConfigAuditRow(Base):
    """Something done to a group's settings or secrets, or tried: then `error_code` says why not.

    Triggers of migration 0006 refuse UPDATE and DELETE whoever sends them; the listeners below
    refuse them earlier, in words.
    """

    __tablename__ = "config_audit"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    group_id: Mapped[str] = mapped_column(String(100), index=True)
    actor_email: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    before_json: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after_json: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(String(32))


def _refuse(_mapper: Mapper[Any], _connection: Connection, row: ConfigAuditRow) -> NoReturn:
    raise AppendOnly(f"audit record {row.id} cannot be changed or removed")


event.listen(ConfigAuditRow, "before_update", _refuse)
event.listen(ConfigAuditRow, "before_delete", _refuse)
