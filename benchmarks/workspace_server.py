"""An embedded workspace in a process of its own, as far away as a benchmark's server can be.

`WorkspaceServer` is the parent's side; run as a module it is the child, which takes one JSON
question a line: what was requested so far, and how long uploads shall be delayed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Self

ADMIN_TOKEN = "benchmark-administrator"  # noqa: S105 - of a server that lives for a minute
VOLUMES = ("evidence.raw_evidence", "evidence.outputs")
UPLOADS = "/api/2.0/fs/files/*/evidence_store/*"
# What tells endpoints apart, most particular first; the rest of a path names things, not endpoints.
_ENDPOINTS = (
    "/api/2.0/fs/files/.*/evidence_store",
    "/api/2.0/fs/files",
    "/api/2.0/fs/directories",
    "/api/2.0/sql/statements/.+",
    "/api/2.0/sql/statements",
    "/api/2.1/unity-catalog/[a-z]+",
    "/external-results",
)


class WorkspaceServer:
    """The child process, seen from its parent; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workspace_server", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        started = self._answer()
        self.url: str = started["url"]
        self.warehouse_id: str = started["warehouse_id"]
        self.volumes = Path(started["volumes"])
        return self

    def add_group(self, group: str) -> str:
        """A service principal with a catalog of the group's name and a Volume in it; its token."""
        return str(self._ask(add_group=group)["token"])

    def delay_uploads(self, seconds: float) -> None:
        """Let every upload of evidence wait so long before it is served, from now on."""
        self._ask(delay_uploads=seconds)

    def delay_everything(self, seconds: float) -> None:
        """Let every request wait so long before it is served, from now on."""
        self._ask(delay_everything=seconds)

    def remove(self, group: str, folder: str) -> None:
        """Drop a folder of the group's evidence Volume, which nobody needs any more."""
        self._ask(remove=[group, folder])

    def requests(self, group: str) -> dict[str, int]:
        """How often the group called each endpoint since it was last asked for."""
        return dict(self._ask(requests=group)["requests"])

    def _ask(self, **question: object) -> dict[str, Any]:
        assert self._child.stdin is not None  # noqa: S101 - a pipe, by construction
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None  # noqa: S101 - a pipe, by construction
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the embedded workspace of the benchmark has ended")
        return dict(json.loads(line))

    def __exit__(self, *_: object) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()  # the child ends at the end of its input
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class _Desk:
    """Answers the parent's questions."""

    def __init__(self, workspace: Any) -> None:
        from kmflow_orchestration.workspace.seeding import seed_workspace

        self._workspace = workspace
        self._admin = seed_workspace(workspace, "benchmark", admin_token=ADMIN_TOKEN)

    def hello(self) -> dict[str, Any]:
        warehouses = self._workspace.services.warehouses
        warehouse_id = warehouses.default_id(self._admin.workspace_id)
        volumes = self._workspace.state.volumes_root(self._admin.workspace_id)
        return {
            "url": self._workspace.url,
            "warehouse_id": warehouse_id,
            "volumes": str(volumes),
        }

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        ((name, value),) = question.items()
        found: dict[str, Any] = getattr(self, f"_{name}")(value)
        return found

    def _add_group(self, group: str) -> dict[str, Any]:
        from kmflow_orchestration.workspace.seeding import seed_group

        token = f"token-of-{group}"
        seed_group(
            self._workspace,
            self._admin,
            principal=group,
            token=token,
            catalog=group,
            volumes=VOLUMES,
        )
        return {"token": token}

    def _delay_uploads(self, seconds: float) -> dict[str, Any]:
        return self._delay("PUT", UPLOADS, seconds)

    def _delay_everything(self, seconds: float) -> dict[str, Any]:
        return self._delay("*", "*", seconds)

    def _delay(self, method: str, path: str, seconds: float) -> dict[str, Any]:
        from kmflow_orchestration.workspace.faults import Fault

        self._workspace.faults.clear()
        if seconds:
            fault = Fault("delay", method=method, path=path, times=1_000_000, seconds=seconds)
            self._workspace.faults.add(fault)
        return {}

    def _remove(self, place: list[str]) -> dict[str, Any]:
        group, folder = place
        volumes = self._workspace.state.volumes_root(self._admin.workspace_id)
        shutil.rmtree(volumes / group / "evidence" / "raw_evidence" / folder)
        return {}

    def _requests(self, group: str) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        for request in self._workspace.requests():
            if request.principal in {group, ""}:
                counts[f"{request.method} {_endpoint(request.path)}"] += 1
        self._workspace.services.request_log.clear()
        return {"requests": counts}


def _endpoint(path: str) -> str:
    for pattern in _ENDPOINTS:
        if re.match(pattern, path):
            return pattern.replace(".+", "{id}").replace(".*", "…").replace("[a-z]+", "…")
    return path


def main() -> None:
    from kmflow_orchestration.workspace.server import EmbeddedWorkspace

    with EmbeddedWorkspace(Path(sys.argv[1])) as workspace:
        desk = _Desk(workspace)
        print(json.dumps(desk.hello()), flush=True)
        for line in sys.stdin:
            print(json.dumps(desk.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
