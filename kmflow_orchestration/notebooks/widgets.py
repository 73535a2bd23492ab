"""What a notebook is told: its widgets, which a job's parameters fill (rows E17, E22)."""

from __future__ import annotations

from typing import Any

from kmflow_orchestration.profiling.job_parameters import PARAMETERS


def arguments_from(dbutils: Any) -> list[str]:
    """Declare a widget for every parameter of a run, and read those that are filled.

    In the form in which the wheel's entry point takes them, so that both mean the same: a widget
    left empty falls back to the environment variable of its name in upper case.
    """
    for name in PARAMETERS:
        dbutils.widgets.text(name, "")
    filled = {name: dbutils.widgets.get(name) for name in PARAMETERS}
    return [f"--{name}={value}" for name, value in filled.items() if value]
