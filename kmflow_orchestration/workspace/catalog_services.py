"""The floor with a catalog: who may use which catalog, schema, table and Volume."""

from __future__ import annotations

from kmflow_orchestration.workspace.allowed_volumes import AllowedVolumes
from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.foundation import Foundation


class CatalogServices(Foundation):
    """Foundation and catalog."""

    catalog: CatalogStore
    allowed_volumes: AllowedVolumes
