"""What every part of an embedded workspace server stands on; floors follow above it.

    Foundation            state, faults, request log, address
    └── CatalogServices   + catalog, allowed Volumes     (what jobs and the SQL engine work with)
        └── SqlServices   + engine, warehouses           (what runs statements)
            └── StatementServices  + executions, SQL sessions  (what statements' doors work with)
                └── Services       + statements, Thrift, jobs  (what routes work with)

A part takes the floor below its own in its constructor, so that imports point down only.
"""

from __future__ import annotations

from typing import Literal

from kmflow_orchestration.workspace.faults import Faults
from kmflow_orchestration.workspace.request_log import RequestLog
from kmflow_orchestration.workspace.state import WorkspaceState

Cloud = Literal["AWS", "GCP"]


class Foundation:
    """State and the means of a server; `url` is its own address, known once it listens."""

    def __init__(self, state: WorkspaceState, faults: Faults, request_log: RequestLog) -> None:
        self.state = state
        self.faults = faults
        self.request_log = request_log
        self.url = ""
        self.cloud: Cloud = "AWS"
        """Whose storage lies under the Volumes: clouds differ in how large files are sent."""
