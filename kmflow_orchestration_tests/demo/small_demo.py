"""The demo over a handful of files, as a process that a test can kill.

`python -m kmflow_orchestration_tests.demo.small_demo <folder> <backend>` prints a line for each
stage and each Dagster run on stderr, and at the end one JSON object on stdout: where each group
stands, and the content of every table.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmflow_orchestration.demo.local_daemon import RunOutcome
    from kmflow_orchestration.demo.sandbox import Sandbox
    from kmflow_orchestration.names import GroupId, TableName

# What differs from run to run though nothing happened: who wrote a row, and when.
OF_THE_RUN = {
    "_batch_id",
    "stored_at",
    "ingested_at",
    "logged_at",
    "processed_at",
    "computed_at",
    "materialized_at",
    "duration_ms",
}
# Paths of stored files: they differ between backends in what stands before this folder.
PATHS, FOLDER = ("volume_path", "file_bytes_path"), "evidence_store/"
VENDORS = "vendor_id,vendor_name,email,since\n" + "".join(
    f"{n},Vendor {n},office{n}@vendor{n}.example,2024-01-{n % 27 + 1:02}\n" for n in range(1, 41)
)
# One group's: the whole demo has two, and every Dagster run takes its seconds.
FIRST: dict[str, dict[str, str]] = {
    "acme": {
        "p2p/vendors.csv": VENDORS,
        "p2p/vendors copy.csv": VENDORS,
        "p2p/notes.md": "# Interview\n\nThe vendor master is kept by two people.\n",
        "p2p/empty.csv": "",
    },
    "globex": {},
}
SECOND: dict[str, dict[str, str]] = {
    "acme": {
        "p2p/vendors.csv": VENDORS.replace("2024-01-03", "see note"),
        "p2p/rates.csv": "r\n1\n",
    },
    "globex": {},
}


def first(root: Path, group: str) -> None:
    """Files that are not there yet."""
    for path, text in FIRST[group].items():
        if not (root / path).exists():
            write(root / path, text)


def second(root: Path, group: str) -> None:
    """More files, and one with other content."""
    for path, text in SECOND[group].items():
        if not (root / path).exists() or (root / path).read_text() != text:
            write(root / path, text)


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def main() -> None:
    """Run, tell, print."""
    # Not above: every process that converts files imports the main module of its parent first.
    from kmflow_orchestration.demo.home import Home
    from kmflow_orchestration.demo.run_demo import Listener, run_demo
    from kmflow_orchestration.demo.sandbox import Sandbox

    logging.getLogger("dagster").setLevel(logging.ERROR)
    with Sandbox(Home.at(Path(sys.argv[1])), sys.argv[2]) as sandbox:  # type: ignore[arg-type]
        report = run_demo(sandbox, Listener(stage=tell, run=tell_run), drops=(first, second))
        result = report.as_json()
        result["contents"] = {group: contents(sandbox, group) for group in sandbox.groups}
    sys.stdout.write(json.dumps(result, indent=1, default=str))


def tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def tell_run(outcome: RunOutcome) -> None:
    tell(f"{outcome.partition} {outcome.assets} {outcome.succeeded} {outcome.failure}")


def contents(sandbox: Sandbox, group: GroupId) -> dict[str, dict[str, object]]:
    """Rows and a digest of every table but the profile results, without `OF_THE_RUN`."""
    one = sandbox.context.group(group)
    found: dict[str, dict[str, object]] = {}
    for schema in one.config.namespace.schemas:
        if not schema.endswith("_dq"):
            for table in one.lakehouse.tables(schema):
                found[f"{schema}.{table.name}"] = content(one.lakehouse, table)
    return found


def content(lakehouse: object, table: TableName) -> dict[str, object]:
    read = lakehouse.query(f"SELECT * FROM {table.sql}")  # type: ignore[attr-defined]
    kept = sorted(name for name in read.column_names if name not in OF_THE_RUN)
    rows = sorted(
        json.dumps(placeless(row), sort_keys=True, default=str)
        for row in read.select(kept).to_pylist()
    )
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return {"rows": len(rows), "digest": digest[:16], "columns": kept}


def placeless(row: dict[str, object]) -> dict[str, object]:
    paths = {name: str(row[name]) for name in PATHS if name in row}
    return row | {name: "".join(path.rpartition(FOLDER)[1:]) for name, path in paths.items()}


if __name__ == "__main__":
    main()
