"""Our own conversion of one file, in a process of its own: as a step does it, to typed Parquet."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.intake_case import peak_mb


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    target.mkdir()
    begun = time.perf_counter()
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    # Each of our processes that convert begins with it.
    import_arrow()
    from kmflow_orchestration.converters.interface import Source
    from kmflow_orchestration.converters.staging import Outcome, StagingTask, stage_item

    done = stage_item(StagingTask("bench", Source(source, source.name), target))
    seconds, cpu_s = time.perf_counter() - begun, time.process_time()
    if done.outcome is not Outcome.CONVERTED:
        raise SystemExit(f"{source.name}: {done.outcome} {done.code} {done.message}")
    rows = sum(table.receipt.rows_written for table in done.tables)
    found = {"rows": rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
