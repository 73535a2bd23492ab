"""One Dagster run as a process of its own, interrupted by SIGINT as Dagster's launcher does it.

`python -m kmflow_orchestration_tests.end_to_end.dagster_process`, told as JSON on stdin: process
settings, the instance's folder, asset keys and a partition.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg


def main() -> None:
    from kmflow_orchestration.definitions import build_definitions

    told = json.load(sys.stdin)
    definitions = build_definitions(sensors_running=False, overrides=told["overrides"])
    with dg.DagsterInstance.local_temp(told["instance"]) as instance:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(path) for path in told["assets"]],
            partition_key=told["partition"],
            raise_on_error=False,
        )


def started(
    instance: Path, overrides: Mapping[str, str], assets: Sequence[dg.AssetKey], partition: str
) -> subprocess.Popen[str]:
    """The run's process, under way; the partition's keys must be known to the instance."""
    told = {
        "overrides": dict(overrides),
        "instance": str(instance),
        "assets": [key.path for key in assets],
        "partition": partition,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(told))
    process.stdin.close()
    process.stdin = None
    return process


if __name__ == "__main__":
    main()
