"""What one more file costs when the ledger of fifty groups holds ever more (row H12).

The first files of every group are really taken in, by the operations that the assets call. Then
their rows are multiplied, as if as many files had been taken in on each of many earlier days, and
new files are really taken in beside them. Files are small and stored locally: what is measured is
the ledger, which all groups share, and not the distance of a store.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Section, verdict

GROUPS = 50
# New files of each group at each step.
STEP_FILES = 40
# The ledger gets a hundred times what one partition of the intake benchmark has.
FACTOR = 100
SHARES = (100, 10, 1)
_FIRST = "step_0"
# Of each table: which rows are multiplied; batches first, which others refer to.
_MULTIPLIED = {
    "intake_batches": f"""batch_id IN (
        SELECT batch_id FROM evidence_items WHERE landing_path LIKE '%{_FIRST}/%')""",
    "evidence_items": f"landing_path LIKE '%{_FIRST}/%'",
    "landing_files": f"path LIKE '%{_FIRST}/%'",
    "landing_events": f"path LIKE '%{_FIRST}/%'",
}
# What a copy has of its own.
_OWN = {
    **dict.fromkeys(("batch_id", "item_id", "file_path"), "{0} || '-' || n"),
    **dict.fromkeys(("path", "folder", "landing_path"), f"replace({{0}}, '{_FIRST}', 'day_' || n)"),
    **dict.fromkeys(("day", "received_on"), "date({0}, '-' || n || ' day')"),
    # What is known is done with.
    **dict.fromkeys(("bronze_at", "datasets_at", "fragments_at", "quality_at"), "stored_at"),
    "content_hash": "substr({0}, 1, 56) || printf('%08d', n)",
}


@dataclass(frozen=True)
class Step:
    """Files known before, new ones, and what these cost."""

    known: int
    files: int
    seconds: float
    cpu_s: float

    @property
    def cpu_ms(self) -> float:
        """A new file's."""
        return self.cpu_s * 1000 / self.files


def run(options: argparse.Namespace) -> Section:
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        steps = [_child(place, 0)]
        copied = 0
        for number, share in enumerate(SHARES, start=1):
            wanted = FACTOR * int(options.files) // share // (GROUPS * STEP_FILES)
            _multiply(place / "home" / "control.db", copied, wanted)
            copied = wanted
            steps.append(_child(place, number))
    return _section(steps)


def _child(place: Path, number: int) -> Step:
    """New files of every group, taken in by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", str(place), str(number)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    step = Step(**json.loads(done.stdout.splitlines()[-1]))
    print(f"    {step}", flush=True)
    return step


def _multiply(database: Path, begin: int, end: int) -> None:
    """Copies of the first step's rows: each of another day, with paths and contents of its own."""
    if begin == end:
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in _MULTIPLIED:
            connection.execute(_copying(connection, table), {"begin": begin + 1, "end": end})


def _copying(connection: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    own = dict(_OWN)
    if table == "landing_events":
        # Its ids are counted by the database.
        columns.remove("id")
    elif table == "evidence_items":
        own["id"] = "{0} || '-' || n"
    values = [own.get(name, "{0}").format(name) for name in columns]
    return f"""
        WITH RECURSIVE copies(n) AS (
            SELECT :begin UNION ALL SELECT n + 1 FROM copies WHERE n < :end)
        INSERT INTO {table} ({", ".join(columns)})
        SELECT {", ".join(values)} FROM {table}, copies WHERE {_MULTIPLIED[table]}"""


def _measured(place: Path, number: int) -> Step:
    from kmflow_orchestration.config.group_input import parse_group
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.names import group_id

    groups = [group_id(f"group-{at:02}") for at in range(GROUPS)]
    settings = load_settings(home=str(place / "home"), storage_backend="local", quiet_period_s="0")
    with Context(settings) as context:
        if number == 0:
            context.migrate()
            for group in groups:
                context.group_configs.save(group, parse_group(group, {}), "benchmark")
        known = _known(place)
        for group in groups:
            _drop(Path(context.group(group).landing_root), group, number)
        cpu, begun = time.process_time(), time.perf_counter()
        files = sum(_take_in(context, group) for group in groups)
        return Step(known, files, time.perf_counter() - begun, time.process_time() - cpu)


def _take_in(context: Any, group: Any) -> int:
    """What a sensor's quick tick and the run that it asks for do; how many files were stored."""
    from kmflow_orchestration.intake.arrivals import SweepCursor, look
    from kmflow_orchestration.operations.store_evidence import store_batch

    parts = context.group(group)
    cursor = SweepCursor(due_at=time.time() + 300).text
    look(group, parts.landing_root, cursor, ledger=context.ledger, clock=context.clock)
    stored = 0
    for due in context.ledger.due_days(group):
        while batch := store_batch(group, due.day, **parts.storing()):
            stored += len(batch.stored)
    return stored


def _known(place: Path) -> int:
    with closing(sqlite3.connect(place / "home" / "control.db")) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM landing_files")
    return int(count)


def _drop(root: Path, group: str, number: int) -> None:
    folder = root / "e1" / f"step_{number}"
    folder.mkdir(parents=True)
    for at in range(STEP_FILES):
        (folder / f"file_{at}.csv").write_text(f"group,step,file\n{group},{number},{at}\n")


def _section(steps: list[Step]) -> Section:
    first, last = steps[0], steps[-1]
    ratio = last.cpu_ms / first.cpu_ms
    return Section(
        title="One more file beside a million",
        about=(
            f"{STEP_FILES} new files of each of {GROUPS} groups, seen by a quick tick and stored "
            "by the operation behind `evidence_files`, locally, while the ledger (SQLite, one for "
            "all groups) knows ever more files of earlier days. Those are copies of the rows of "
            "files that were really taken in."
        ),
        command="make bench ARGS='scale'",
        columns=("files known", "new files", "seconds", "CPU ms/file"),
        rows=tuple(
            (str(one.known), str(one.files), f"{one.seconds:.2f}", f"{one.cpu_ms:.2f}")
            for one in steps
        ),
        verdicts=(verdict("flat cost a file", ratio < 1.5, f"{ratio:.2f} times the first's CPU"),),
    )


def main() -> None:
    place, number = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(asdict(_measured(place, number))))


if __name__ == "__main__":
    main()
