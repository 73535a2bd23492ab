"""What the Delta log says about commits: the engine's own answers count rewritten rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def last_version(directory: Path) -> int:
    """Number of a table's newest commit; -1 when there is none."""
    names = (path.stem for path in (directory / "_delta_log").glob("*.json"))
    return max((int(name) for name in names if name.isdigit()), default=-1)


def metrics(directory: Path, version: int) -> Mapping[str, int]:
    """Operation metrics of a commit, empty when it has none or is not there."""
    path = directory / "_delta_log" / f"{version:020d}.json"
    if not path.exists():
        return {}
    for line in path.read_text().splitlines():
        info = json.loads(line).get("commitInfo")
        if info is not None:
            return {
                name: int(value)
                for name, value in info.get("operationMetrics", {}).items()
                if isinstance(value, int) or str(value).isdigit()
            }
    return {}
