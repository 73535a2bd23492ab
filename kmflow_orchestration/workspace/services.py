"""The parts of one embedded workspace server, as its route modules see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmflow_orchestration.workspace.faults import Faults
from kmflow_orchestration.workspace.request_log import RequestLog
from kmflow_orchestration.workspace.state import WorkspaceState

if TYPE_CHECKING:  # the parts import this module for their own signatures
    from kmflow_orchestration.workspace.allowed_volumes import AllowedVolumes
    from kmflow_orchestration.workspace.catalog_store import CatalogStore
    from kmflow_orchestration.workspace.job_runner import Jobs
    from kmflow_orchestration.workspace.sql_engine import SqlEngine
    from kmflow_orchestration.workspace.statements import Statements
    from kmflow_orchestration.workspace.warehouses import Warehouses


class Services:
    """What routes work with. Built by the server in the order of the annotations.

    Each part takes this object in its constructor and may use the parts named before it; a part
    with a `close()` is closed when the server stops, in reverse order. A route module offers
    `routes(services) -> list[Route]`. `url` is the server's own address, known once it listens.
    """

    catalog: CatalogStore
    allowed_volumes: AllowedVolumes
    engine: SqlEngine
    warehouses: Warehouses
    statements: Statements
    jobs: Jobs

    def __init__(self, state: WorkspaceState, faults: Faults, request_log: RequestLog) -> None:
        self.state = state
        self.faults = faults
        self.request_log = request_log
        self.url = ""
