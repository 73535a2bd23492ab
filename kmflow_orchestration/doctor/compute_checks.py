"""What computes for the group: a cluster's runtime, a warehouse; and how long its token lasts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from kmflow_orchestration.config.http_paths import cluster_of
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import (
    Warehouse,
    list_warehouses,
    ready_warehouse,
)
from kmflow_orchestration.doctor.findings import Finding, failed, passed, skipped, warned
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    RemoteNotFound,
    RequestRejected,
)
from kmflow_orchestration.operations.connection_remedies import detail_of
from kmflow_orchestration.operations.grant_sql import is_refusal

LOWEST_RUNTIME = (13, 3)
EXPIRES_SOON = timedelta(days=14)
OLD = timedelta(days=90)
_RUNTIME = re.compile(r"(\d+)\.(\d+)")


def runtime_new_enough(patient: Patient) -> Finding:
    """Databricks Runtime of the cluster that `http_path` names, if it names one."""
    cluster = cluster_of(patient.config.http_path)
    if not cluster:
        return skipped("no cluster is named; warehouses are kept new by the platform")
    try:
        answer = patient.calls.do("GET", "/api/2.1/clusters/get", query={"cluster_id": cluster})
    except (RequestRejected, RemoteNotFound) as error:
        return failed(
            f"cluster {cluster}: {error.message}",
            f"kmflow group set {patient.group} http_path=PATH of a warehouse, or of a cluster "
            "that is there",
            exit_code=error.exit_code,
        )
    return runtime_finding(cluster, str(answer.get("spark_version") or ""))


def runtime_finding(cluster: str, spark_version: str) -> Finding:
    """What a cluster's `spark_version`, such as `13.3.x-scala2.12`, means for us."""
    lowest = ".".join(map(str, LOWEST_RUNTIME))
    found = _RUNTIME.match(spark_version)
    if found is None:
        return warned(
            f"cluster {cluster} runs {spark_version or 'an unknown runtime'}",
            f"make sure that it is Databricks Runtime {lowest} or newer",
        )
    if (int(found[1]), int(found[2])) < LOWEST_RUNTIME:
        return failed(
            f"cluster {cluster} runs {spark_version}",
            f"choose Databricks Runtime {lowest} LTS or newer for it, or name a SQL warehouse",
            exit_code=3,
        )
    return passed(f"cluster {cluster} runs {spark_version}")


def warehouse_answers(patient: Patient) -> Finding:
    """The SQL warehouse is there, starts, and takes a statement of ours (CAN USE)."""
    if not patient.has_workspace:
        return skipped("the group works on this machine")
    config, calls = patient.config, patient.calls
    chosen = Warehouse(calls, config.warehouse_id, clock=patient.clock)
    try:
        state = ready_warehouse(
            calls,
            chosen.id,
            clock=patient.clock,
            start_timeout_s=config.warehouse_start_timeout_s,
        )
        Statements(calls, chosen, patient.clock, timeout_s=patient.timeout_s).fetch_small(
            "SELECT 1"
        )
    except RemoteNotFound as error:
        known = ", ".join(one.id for one in list_warehouses(calls)) or "(none may be seen)"
        return failed(
            f"there is no warehouse {chosen.id}, or it may not be seen",
            f"kmflow group set {config.group_id} warehouse_id=ID, one of: {known}",
            exit_code=error.exit_code,
        )
    except KmflowError as error:
        if not is_refusal(error):
            raise
        return failed(
            detail_of(error),
            f"give {patient.principal} CAN USE on warehouse {chosen.id}",
            exit_code=AccessRefused.exit_code,
        )
    return passed(f"{chosen.id} was {state} and answers")


def token_lasts(patient: Patient) -> Finding:
    """Age and end of the personal access tokens of the group's principal."""
    if not patient.has_workspace:
        return skipped("the group works on this machine")
    kind = patient.calls.auth_kind
    if kind != "pat":
        return passed(f"{kind} renews itself")
    try:
        answer = patient.calls.do("GET", "/api/2.0/token/list")
    except (AccessRefused, RemoteNotFound):
        return skipped("the workspace does not tell when tokens end")
    return token_finding(answer.get("token_infos") or (), patient.clock.now())


def token_finding(infos: Sequence[Mapping[str, Any]], now: datetime) -> Finding:
    """What a list of tokens means: which of them is ours is not told, so the worst one counts."""
    ends = [end for one in infos if (end := _moment(one.get("expiry_time"))) is not None]
    born = [at for one in infos if (at := _moment(one.get("creation_time"))) is not None]
    renew = "make a new token, and put it where the group's settings say: kmflow group show"
    if ends and min(ends) <= now:
        return warned(f"a token ended at {min(ends):%Y-%m-%d %H:%M} UTC", renew)
    if ends and min(ends) - now <= EXPIRES_SOON:
        left = max((min(ends) - now).days, 0)
        return warned(f"a token ends on {min(ends):%Y-%m-%d}, in {left} day(s)", renew)
    if born and now - min(born) >= OLD:
        return warned(f"a token is {(now - min(born)).days} days old", renew)
    if not ends:
        return passed(f"{len(infos)} token(s), without an end")
    return passed(f"{len(infos)} token(s), the first ends on {min(ends):%Y-%m-%d}")


def _moment(milliseconds: object) -> datetime | None:
    """A time of the platform, which writes -1 for never."""
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
