"""The floor that runs SQL."""

from __future__ import annotations

from kmflow_orchestration.workspace.catalog_services import CatalogServices
from kmflow_orchestration.workspace.sql_engine import SqlEngine
from kmflow_orchestration.workspace.warehouses import Warehouses


class SqlServices(CatalogServices):
    """Catalog, engine and warehouses."""

    engine: SqlEngine
    warehouses: Warehouses
