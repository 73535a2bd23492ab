"""The code location: joins the lists of each area; no network, no secrets, nothing heavy."""

import dagster as dg

from kmflow_orchestration.assets.bronze import BRONZE_ASSETS
from kmflow_orchestration.assets.connection import CONNECTION_ASSETS
from kmflow_orchestration.assets.doctor import DOCTOR_ASSETS
from kmflow_orchestration.assets.evidence import EVIDENCE_ASSETS
from kmflow_orchestration.assets.gold import GOLD_ASSETS
from kmflow_orchestration.assets.inventory import INVENTORY_ASSETS
from kmflow_orchestration.assets.metadata_reconciliation import RECONCILIATION_ASSETS
from kmflow_orchestration.assets.profiles import PROFILE_ASSETS
from kmflow_orchestration.assets.registration import REGISTRATION_ASSETS
from kmflow_orchestration.assets.silver import SILVER_ASSETS
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.process_checks import check_process
from kmflow_orchestration.jobs.connection_check import JOBS
from kmflow_orchestration.jobs.doctor import DOCTOR_JOBS
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.resources.clean_texts import clean_texts
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.transient_retries import retry_transient
from kmflow_orchestration.schedules.all_schedules import build_schedules
from kmflow_orchestration.sensors.all_sensors import build_sensors

ASSETS = [
    *CONNECTION_ASSETS,
    *DOCTOR_ASSETS,
    *EVIDENCE_ASSETS,
    *INVENTORY_ASSETS,
    *RECONCILIATION_ASSETS,
    *BRONZE_ASSETS,
    *SILVER_ASSETS,
    *GOLD_ASSETS,
    *PROFILE_ASSETS,
    *REGISTRATION_ASSETS,
]


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions with the settings of this process.

    Raises:
        ConfigurationError: names every wrong process-wide setting, in strict mode also what the
            process's own connection lacks; a group's own settings never stop the load, they fail
            when the group is used.
    """
    install_redaction()
    settings = load_settings()
    check_process(settings)
    return build_definitions(sensors_running=settings.environment == "dev")


def build_definitions(
    *, sensors_running: bool, overrides: dict[str, str] | None = None
) -> dg.Definitions:
    """Definitions whose resource takes these settings over the environment's.

    Whoever loads them logs no secret from then on, and no step or tick of theirs tells one.
    """
    install_redaction()
    return dg.Definitions(
        assets=retry_transient(clean_texts(dg.with_source_code_references(ASSETS))),
        jobs=[*JOBS, *DOCTOR_JOBS],
        schedules=build_schedules(running=sensors_running),
        sensors=build_sensors(running=sensors_running),
        resources={"kmflow": ContextResource(overrides=overrides or {})},
        # Steps wait on the workspace; a process each would cost 80 times as much (design AD6).
        executor=dg.in_process_executor,
    )
