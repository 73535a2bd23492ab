"""The floor that statements' doors stand on: the REST API and the Thrift endpoint."""

from __future__ import annotations

from kmflow_orchestration.workspace.executions import Executions
from kmflow_orchestration.workspace.sql_services import SqlServices
from kmflow_orchestration.workspace.sql_sessions import SqlSessions


class StatementServices(SqlServices):
    """Engine, warehouses, statements on their way and sessions."""

    executions: Executions
    sql_sessions: SqlSessions
