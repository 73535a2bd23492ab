"""The table of a benchmark: what was measured, on what, with which command."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("dagster", "databricks-sdk", "pysail", "pyspark", "deltalake", "duckdb", "sqlalchemy")


@dataclass(frozen=True)
class Section:
    """One benchmark: a title, what it does, and rows under named columns."""

    title: str
    about: str
    command: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    verdicts: tuple[str, ...] = ()

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", self.about, "", f"Command: `{self.command}`", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + " --- |" * len(self.columns))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        lines += ["", *(f"- {verdict}" for verdict in self.verdicts), ""]
        return "\n".join(lines)


def write(sections: Sequence[Section], target: Path) -> None:
    """Write the page whole; sections of an earlier run that were not run again are not kept."""
    head = [
        "# Benchmarks",
        "",
        "Ratios of one run on one machine: read the ratios, not the seconds.",
        "",
        f"Machine: {_machine()}. Python {platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + ".",
        "",
    ]
    target.write_text("\n".join([*head, *(s.markdown() for s in sections)]), encoding="utf-8")


def _machine() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores ({_processor()}), {memory_gb:.0f} GB, {platform.system()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
