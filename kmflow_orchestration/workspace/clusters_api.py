"""`/api/2.1/clusters/get`: clusters that somebody put into a workspace, to be looked at only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, WireError, endpoint

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clusters (
    workspace_id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    spark_version TEXT NOT NULL,
    PRIMARY KEY (workspace_id, cluster_id)
);
"""


def put_cluster(
    services: Services, workspace_id: str, cluster_id: str, *, spark_version: str
) -> None:
    """Let a workspace have a cluster of this runtime, such as `13.3.x-scala2.12`."""
    services.state.database.ensure(_SCHEMA)
    services.state.database.execute(
        "INSERT OR REPLACE INTO clusters VALUES (?, ?, ?)",
        (workspace_id, cluster_id, spark_version),
    )


def routes(services: Services) -> list[Route]:
    """A look at one cluster."""
    services.state.database.ensure(_SCHEMA)

    def got(call: Call) -> Mapping[str, Any]:
        cluster_id = call.query.get("cluster_id", "")
        rows = services.state.database.execute(
            "SELECT spark_version FROM clusters WHERE workspace_id = ? AND cluster_id = ?",
            (call.caller.workspace_id, cluster_id),
        )
        if not rows:
            # The platform's own status and words for it.
            raise WireError(400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster_id} does not exist")
        return {
            "cluster_id": cluster_id,
            "spark_version": rows[0]["spark_version"],
            "state": "RUNNING",
        }

    return [Route("/api/2.1/clusters/get", endpoint(got), methods=["GET"])]
