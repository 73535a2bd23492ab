"""Entry point of the wheel: a profiling job on Databricks, or a child process on a laptop.

Standard library and this package only at import: the wheel is installed without dependencies, and
Spark is what the job finds when it runs (design AD8, AD12).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.profiling.completion import failure_body, post_completion
from kmflow_orchestration.profiling.completion_body import completion_body
from kmflow_orchestration.profiling.job_parameters import POST, parse_parameters, read_arguments
from kmflow_orchestration.profiling.result_writing import Progress
from kmflow_orchestration.profiling.run_profile import ProfileOutcome, run_profile
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.redaction import register, scrub

logger = logging.getLogger(__name__)


def _session() -> Any:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    client = getattr(spark, "_client", None)
    # A dead embedded server would otherwise hold this process for minutes, at its exit too.
    if client is not None and not os.environ.get("DATABRICKS_RUNTIME_VERSION"):
        client.set_retry_policies([])
    return spark


def main() -> None:
    """Profile one table group, store what was found, report the end.

    Raises:
        Exception: whatever stopped the run, after it was reported, so that the platform fails it.
    """
    install_redaction()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    run_job(sys.argv[1:], os.environ, SystemClock())


def run_job(
    argv: Sequence[str],
    environment: Mapping[str, str],
    clock: Clock,
    *,
    open_session: Callable[[], Any] = _session,
) -> ProfileOutcome:
    """What `main` does, with its surroundings as parameters."""
    values = read_arguments(argv, environment)
    # The one value of a run that is to be kept secret.
    register(values.get("callback_token", ""))
    progress = Progress()
    try:
        parameters = parse_parameters(values)
        outcome = run_profile(open_session(), parameters, clock, progress=progress)
    except Exception as error:
        told = scrub(error)
        _report(values, failure_body(told) | progress.counts(), clock)
        if told is error:
            raise
        raise told from None
    _report(values, completion_body(outcome), clock)
    logger.info(
        "profile run %s %s: %d tables, %d rows, %d issues",
        parameters.profile_run_id,
        outcome.status,
        len(outcome.tables),
        outcome.row_count,
        len(outcome.issues),
    )
    return outcome


def _report(values: Mapping[str, str], body: Mapping[str, Any], clock: Clock) -> None:
    """Send the end of a run where there is somebody to tell.

    Never raises: a run that failed ends with its own fault, and of one that ended well the results
    are stored, where polling finds them.
    """
    url = values.get("callback_url", "")
    if not url or values.get("callback_behavior", POST) != POST:
        return
    key = f"{values.get('profile_run_id', '')}:{values.get('attempt', '1')}"
    token = values.get("callback_token", "")
    run_id = values.get("databricks_run_id", "")
    told = {**body, "databricks_run_id": run_id} if run_id else body
    try:
        post_completion(told, url=url, token=token, idempotency_key=key, clock=clock)
    except KmflowError as error:
        logger.warning("completion not sent: %s", error.message)
    except Exception as error:  # noqa: BLE001 - see above; its text could hold the token
        logger.warning("completion not sent: %s", type(error).__name__)


if __name__ == "__main__":
    main()
