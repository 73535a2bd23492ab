"""The one Dagster resource: it hands out the context of a run's own group, and of no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, group_id
from kmflow_orchestration.partitions.keys import GROUP_TAG, RUN_NAME_TAG
from kmflow_orchestration.resources.clean_texts import clean_errors


class ContextResource(dg.ConfigurableResource["ContextResource"]):
    """Opens the composition root for a step or a tick and closes it at the end.

    Nothing is read or connected when definitions load. In a run, the group is the one of its
    `kmflow/group` tag, or else the first one asked for, which the run is then tagged with.
    """

    overrides: dict[str, str] = Field(
        default={},
        description="Process settings that win over environment and .env; never a secret.",
    )

    _context: Context | None = PrivateAttr(default=None)
    _checked: bool = PrivateAttr(default=False)
    _group: str | None = PrivateAttr(default=None)
    _run_id: str | None = PrivateAttr(default=None)
    _run_name: str = PrivateAttr(default="")
    _instance: dg.DagsterInstance | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ContextResource"]:
        overrides: dict[str, Any] = dict(self.overrides)
        run = context.run
        self._instance = context.instance
        self._run_id = run.run_id if run else None
        self._group = run.tags.get(GROUP_TAG) if run else None
        self._run_name = run.tags.get(RUN_NAME_TAG, "") if run else ""
        with clean_errors():
            settings = load_settings(**overrides)
        with Context(
            settings,
            dagster_run_id=self._run_id or "",
            run_is_over=self._run_is_over,
            actor="" if self._run_id else "Dagster",
        ) as opened:
            self._context, self._checked = opened, False
            yield self
        self._context = None

    @property
    def context(self) -> Context:
        """The composition root, for sensors: they look after every group.

        Raises:
            ConfigurationError: the control database is of another version than this code.
            MetadataUnavailable: it does not answer.
        """
        if self._context is None:
            raise RuntimeError("the kmflow resource is used outside a step or tick")
        if not self._checked:
            self._context.check_schema()
            self._checked = True
        return self._context

    def for_group(self, group: str) -> GroupContext:
        """The context of a run's group.

        Raises:
            GroupMismatch: the run belongs to another group.
            UnknownGroup: no such group, or it is disabled; every missing field is named.
        """
        checked = group_id(group)
        if self._run_id is not None:
            self._bind(checked)
        return self.context.group(checked)

    @property
    def group_of_run(self) -> str | None:
        """The group of the run: its tag's, or the first one that was asked for."""
        return self._group

    @property
    def run_name(self) -> str:
        """What a person called the run, by its tag; '' for a run without one."""
        return self._run_name

    def run_began_at(self) -> datetime:
        """When the run began; a step that is tried again finds the same moment."""
        record = self._instance.get_run_record_by_id(self._run_id or "") if self._instance else None
        if record is None:
            return self.context.clock.now()
        if record.start_time is None:
            return record.create_timestamp.astimezone(UTC)
        return datetime.fromtimestamp(record.start_time, UTC)

    def databricks_client(self, group: str) -> Any:
        """The group's workspace as dagster-databricks' own client resource, for your own assets.

        It holds no token: the group's reference is resolved when the client is made.

        Raises:
            ConfigurationError: the group has no workspace, or its address is refused.
        """
        from dagster_databricks import DatabricksClientResource  # loads pyspark: two seconds

        from kmflow_orchestration.databricks_client.token_strategy import token_strategy

        config = self.for_group(group).config
        rules, clock = self.context.connections.rules, self.context.clock
        return DatabricksClientResource(
            host=config.workspace_url,
            credentials_strategy=token_strategy(config, rules=rules, clock=clock),
        )

    def _run_is_over(self, run_id: str) -> bool:
        """Whether a run that holds a claim has ended; what this instance does not know has not."""
        run = self._instance.get_run_by_id(run_id) if self._instance is not None else None
        return run is not None and run.is_finished

    def _bind(self, group: GroupId) -> None:
        if self._group is None:
            self._group = group
            if self._instance is not None and self._instance.has_run(self._run_id or ""):
                self._instance.add_run_tags(self._run_id or "", {GROUP_TAG: group})
        if self._group != group:
            raise GroupMismatch(
                f"a run of group {self._group!r} asked for group {group!r}",
                hint="start one run per group",
            )
