"""The connection check as a job that a person or a schedule starts for one group."""

import dagster as dg

from kmflow_orchestration.resources.asset_keys import WORKSPACE_CONNECTION

connection_check_job = dg.define_asset_job(
    "connection_check_job",
    selection=[WORKSPACE_CONNECTION],
    description="Can the group's workspace be used? Each step, its time, and what to do.",
)

JOBS = [connection_check_job]
