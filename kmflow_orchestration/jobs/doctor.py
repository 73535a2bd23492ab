"""The doctor as a job that a person or a schedule starts for one group."""

import dagster as dg

from kmflow_orchestration.resources.asset_keys import GROUP_HEALTH

doctor_job = dg.define_asset_job(
    "doctor_job",
    selection=[GROUP_HEALTH],
    description="Sixteen checks of a group, from its settings to its rows, with what to do.",
)

DOCTOR_JOBS = [doctor_job]
