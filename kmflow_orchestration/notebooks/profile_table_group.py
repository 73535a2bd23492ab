# Databricks notebook source
"""Profiles one table group: the wheel's entry point with widgets instead of arguments (row E22).

Import it into the workspace, install the wheel on its compute, and name it in a notebook task. It
is one cell, so that nothing can run out of order.
"""

import os

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.notebooks.widgets import arguments_from
from kmflow_orchestration.profiling.job import run_job
from kmflow_orchestration.redacted_process import install as install_redaction

install_redaction()
run_job(
    arguments_from(dbutils),  # type: ignore[name-defined]  # noqa: F821 - Databricks provides it
    os.environ,
    SystemClock(),
)
