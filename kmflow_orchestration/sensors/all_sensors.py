"""The sensors of the project; in development they run as soon as the code location loads."""

from typing import Any

import dagster as dg

from kmflow_orchestration.resources.asset_keys import INTAKE, PROFILE_OUTCOME, PROFILE_RUN, SILVER
from kmflow_orchestration.resources.clean_texts import clean_function
from kmflow_orchestration.sensors.evidence_arrival import evidence_arrival
from kmflow_orchestration.sensors.profile_completion import profile_completion
from kmflow_orchestration.sensors.profiling_cron import profiling_cron

# In the order in which a file meets them.
SENSOR_NAMES = ("evidence_arrival", "profiling_cron", "profile_completion")
TICK_S = 30


def build_sensors(*, running: bool) -> list[dg.SensorDefinition]:
    """All sensors; `running` says whether they start without anybody switching them on."""
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
    common: dict[str, Any] = {"minimum_interval_seconds": TICK_S, "default_status": status}
    return [
        dg.sensor(name="evidence_arrival", asset_selection=[*INTAKE, *SILVER], **common)(
            clean_function(evidence_arrival)
        ),
        dg.sensor(name="profiling_cron", asset_selection=[PROFILE_RUN], **common)(
            clean_function(profiling_cron)
        ),
        dg.sensor(name="profile_completion", asset_selection=PROFILE_OUTCOME, **common)(
            clean_function(profile_completion)
        ),
        dg.AutomationConditionSensorDefinition(
            "kmflow_automation",
            target=dg.AssetSelection.all(),
            minimum_interval_seconds=TICK_S,
            default_status=status,
            # A backfill would join the same day of two groups in one run, which every step refuses.
            emit_backfills=False,
        ),
    ]
