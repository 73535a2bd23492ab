"""Inside the child process of a job task: find the wheel's entry point, call it, tell how it ended.

Run as a script with the path of a JSON file; imports the standard library only, and nothing of
this package, so that the wheel under test is the first code of its name on the path.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the task that `sys.argv[1]` describes."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    threading.Thread(target=_die_with_parent, args=(task["lifeline"],), daemon=True).start()
    sys.argv = [task["package_name"], *task["arguments"]]
    _tell(task["result"], _call(task))


def _die_with_parent(lifeline: int) -> None:
    """Wait until the server's end of the pipe closes, even by kill -9; then end the whole group."""
    os.read(lifeline, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _call(task: dict[str, Any]) -> dict[str, str]:
    try:
        _entry_point(task["package_name"], task["entry_point"], task["path"])()
    except SystemExit as exit_request:
        if exit_request.code in {None, 0}:
            return {}
        return {"error": f"SystemExit: {exit_request.code}", "trace": _trace(exit_request)}
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is the task's end
        trace = _trace(error)
        sys.stderr.write(trace)
        return {"error": f"{type(error).__name__}: {error}", "trace": trace}
    return {}


def _trace(error: BaseException) -> str:
    """The traceback from the task's own code on, without our frame above it."""
    own = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, own))


def _entry_point(package: str, name: str, path: list[str]) -> Callable[[], object]:
    """The named entry point of the wheel's metadata, any group; else `package.name`."""
    for distribution in importlib.metadata.distributions(path=path):
        if _normal(distribution.metadata["Name"] or "") == _normal(package):
            for entry in distribution.entry_points:
                if entry.name == name:
                    loaded: Callable[[], object] = entry.load()
                    return loaded
    function: Callable[[], object] = getattr(importlib.import_module(package), name)
    return function


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tell(result: str, outcome: dict[str, str]) -> None:
    """The result appears whole: its presence tells the server that the task's own code is over."""
    sys.stdout.flush()
    sys.stderr.flush()
    partial = Path(result + ".partial")
    partial.write_text(json.dumps(outcome), encoding="utf-8")
    partial.replace(result)


if __name__ == "__main__":
    main()
