"""The table of a benchmark: what was measured, on what, with which command."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("dagster", "databricks-sdk", "pysail", "pyspark", "deltalake", "duckdb", "sqlalchemy")
_HEADING = "## "


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
        lines = [f"{_HEADING}{self.title}", "", self.about, "", f"Command: `{self.command}`", ""]
        lines += [_made_on(), ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + " --- |" * len(self.columns))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        lines += ["", *(f"- {verdict}" for verdict in self.verdicts), ""]
        return "\n".join(lines)


def verdict(goal: str, reached: bool, found: str) -> str:
    """Whether a goal was reached, and by how much."""
    return f"goal {goal}: {'reached' if reached else 'MISSED'} ({found})"


def write(sections: Sequence[Section], target: Path) -> None:
    """Write the page whole; what an earlier run measured and this one did not is kept."""
    kept = _sections_of(target) if target.exists() else {}
    kept |= {section.title: section.markdown() for section in sections}
    head = [
        "# Benchmarks",
        "",
        "Ratios of one run on one machine: read the ratios, not the seconds.",
    ]
    target.write_text("\n".join([*head, "", *kept.values()]), encoding="utf-8")


def _sections_of(page: Path) -> dict[str, str]:
    """The sections of a page by their titles, in their order."""
    _, *sections = page.read_text(encoding="utf-8").split(f"\n{_HEADING}")
    found = {}
    for text in sections:
        title, _, rest = text.partition("\n")
        found[title] = f"{_HEADING}{title}\n{rest.rstrip()}\n"
    return found


def _made_on() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Machine: {_machine()}. Python {platform.python_version()}; {versions}."


def _machine() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores ({_processor()}), {memory_gb:.0f} GB, {platform.system()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
