"""The child process of a local profiling run: its own engine, the group's tables, the entry point.

Run as `python -m … <folder>`; the lock it inherits says that it lives, `status.json` how it ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kmflow_orchestration.names import TableName
from kmflow_orchestration.profiling.completion import failure_text
from kmflow_orchestration.redacted_process import install as install_redaction
from kmflow_orchestration.redaction import scrub
from kmflow_orchestration.sail.spark_child import SparkForChild
from kmflow_orchestration.sail.tables import exists

REQUEST, STATUS, LOG, LOCK, PROCESS = "request.json", "status.json", "log", "lock", "process"


def main() -> None:
    """Run the request in the folder that `sys.argv[1]` names."""
    install_redaction()
    folder = Path(sys.argv[1])
    # As our parent does; it may have been interrupted before.
    write_whole(folder / PROCESS, str(os.getpid()))
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    # Only we hold the lock: a server of ours that outlives a kill must not keep it.
    os.set_inheritable(request["lock"], False)
    write_whole(folder / STATUS, json.dumps(_outcome(request)))
    sys.stdout.flush()
    sys.stderr.flush()
    # A client whose server is gone would otherwise wait for minutes at its exit.
    os._exit(0)


def _outcome(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        _run(request)
    except BaseException as error:  # noqa: BLE001 - whatever stops the job is the run's end
        traceback.print_exception(scrub(error))
        text = failure_text(error)
        failed = ended("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR", text)
        return {**failed, "error": text}
    return ended("TERMINATED", "SUCCESS", "SUCCESS", "")


def _run(request: Mapping[str, Any]) -> None:
    root = Path(request["lakehouse_root"])
    tables = group_tables(root, request["catalog"], request["schemas"])
    with SparkForChild(tables, catalogs=(request["catalog"],)) as spark:
        os.environ.update(spark.environment)
        sys.argv = [request["entry_module"], *request["arguments"]]
        importlib.import_module(request["entry_module"]).main()


def group_tables(root: Path, catalog: str, schemas: Sequence[str]) -> dict[TableName, Path]:
    """Delta tables of a group's own schemas by their full names."""
    folders = [folder for schema in schemas for folder in sorted((root / schema).glob("*"))]
    return {
        TableName(catalog, folder.parent.name, folder.name): folder
        for folder in folders
        if folder.is_dir() and exists(folder)
    }


def ended(life_cycle: str, result: str, code: str, message: str) -> dict[str, Any]:
    """A run's end in the words of the Jobs API."""
    state = {"life_cycle_state": life_cycle, "result_state": result, "state_message": message}
    details = {"code": code, "message": message}
    return {"state": state, "status": {"state": "TERMINATED", "termination_details": details}}


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there with all its content or not at all; for its owner only."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


if __name__ == "__main__":
    main()
