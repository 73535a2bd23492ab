"""Groups that send outputs of tasks to places of their own, on either backend.

Group `acme` has schema `users.acme`, its outputs go to Volume `users.acme.outputs`, and so on. On
Databricks the groups are service principals of one embedded workspace, with rights on their own
schema only; their Volumes are not made beforehand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.names import GroupId, Namespace
from kmflow_orchestration.operations.outbox import Outbox, UploadedOutput
from kmflow_orchestration.operations.write_output import OutputOutcome, TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.workspace.seeding import seed_group
from kmflow_orchestration_tests.embedded import Room

CATALOG = "users"
RUN = "3f2b1c9e-5a60-4d1b-8c11-9a8b7c6d5e4f"
MOMENT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
Backend = Literal["local", "databricks"]


class OutputWorld:
    """A process's home with groups in it; `told` is what uploads said, `uploaded` what arrived."""

    def __init__(
        self,
        home: Path,
        clock: Clock | None = None,
        room: Room | None = None,
        database_url: str = "",
    ) -> None:
        """`database_url` is a control database that is there; making one takes longer."""
        self.home = home
        self.room = room
        self.backend: Backend = "databricks" if room else "local"
        self.overrides = {"home": str(home), "storage_backend": self.backend}
        if database_url:
            self.overrides["database_url"] = database_url
        self.context = Context(load_settings(**self.overrides), clock=clock)
        self.told: list[str] = []
        self.uploaded: list[UploadedOutput] = []

    def __enter__(self) -> Self:
        if "database_url" not in self.overrides:
            self.context.migrate()
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def group(self, name: str, **settings: Any) -> GroupContext:
        """A group; new ones are saved with their rights, known ones again with these settings."""
        known = self.context.group_configs.find(GroupId(name))
        if known is None or settings:
            self._save(name, settings)
        return self.context.group(GroupId(name))

    def _save(self, name: str, settings: dict[str, Any]) -> None:
        values = {
            "catalog": CATALOG,
            "schema": name,
            "volume_enabled": True,
            "volume_path": f"{CATALOG}.{name}.outputs",
            **(self._seeded(name) if self.room else {}),
            **settings,
        }
        self.context.group_configs.save(GroupId(name), parse_group(name, values), "tests")

    def _seeded(self, name: str) -> dict[str, Any]:
        assert self.room is not None
        token = self.home / f"{name}.token"
        if not token.exists():
            token.write_text(f"token-{name}-{uuid4().hex}", encoding="ascii")
            seed_group(
                self.room.server,
                self.room.admin,
                principal=f"{name}-service",
                token=token.read_text(encoding="ascii"),
                catalog=CATALOG,
                schemas=Namespace(CATALOG, name).schemas,
                volumes=(f"{name}.raw_evidence",),
            )
        return {
            "workspace_url": self.room.url,
            "warehouse_id": "a1b2c3d4e5f60718",
            "token": f"file:{token}",
            "allow_insecure_loopback": True,
        }

    def outbox(self, group: str) -> Outbox:
        return self.group(group).outbox

    def write(
        self,
        group: str,
        value: Any,
        *,
        task: str = "loans",
        run: Execution | None = None,
        partition: str = "",
        **override: Any,
    ) -> OutputOutcome:
        """A task's value, with settings of its own as keywords."""
        output = TaskOutput(
            value=value,
            task_key=task,
            execution=run or Execution(RUN, MOMENT),
            override=override,
            partition_key=partition,
        )
        outcome = write_output(self.outbox(group), output, tell=self.told.append)
        if outcome.uploaded is not None:
            self.uploaded.append(outcome.uploaded)
        return outcome

    def path(self, group: str, *, task: str = "loans", ending: str = "json") -> str:
        """Where the default layout puts a task's output."""
        return f"/Volumes/{CATALOG}/{group}/outputs/{RUN}/2026/11/20/{task}.{ending}"

    @property
    def volumes(self) -> Path:
        """The folder of all Volumes of the workspace; on this machine, of all groups' outputs."""
        if self.room is None:
            return self.home / "outputs"
        return self.room.server.state.volumes_root(self.room.admin.workspace_id)

    def on_disk(self) -> dict[str, bytes]:
        """Every file in any place for outputs, by its path there, as `catalog/schema/volume/…`.

        On this machine the group's own folder stands before it.
        """
        found = (path for path in sorted(self.volumes.rglob("*")) if path.is_file())
        return {path.relative_to(self.volumes).as_posix(): path.read_bytes() for path in found}

    def file_of(self, group: str, path: str) -> Path:
        """Where a `/Volumes/…` path of a group lies on disk."""
        own = self.volumes if self.room else self.volumes / group
        return own / path.removeprefix("/Volumes/")
