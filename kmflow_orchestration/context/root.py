"""The composition root: a process and its groups."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.context.group import GroupContext
from kmflow_orchestration.context.process import ProcessContext
from kmflow_orchestration.names import GroupId

# The rest is imported by the part that is made of it: `kmflow group list` opens a small database
# and should not wait for readers of Delta tables.
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kmflow_orchestration.access.caller import Caller
    from kmflow_orchestration.context.reaching import ReachedGroup
    from kmflow_orchestration.lakehouse_sql.sessions import GroupSession
    from kmflow_orchestration.operations.health import Health
    from kmflow_orchestration.operations.volume_conversion.sign_ins import GivenSignIn


class Context(ProcessContext):
    """Everything one process needs, and the context of each group."""

    # Of all contexts: it is held for a look at a few entries.
    _lock = threading.Lock()

    @cached_property
    def _groups(self) -> dict[tuple[str, int], GroupContext]:
        return {}

    def group(self, group: GroupId) -> GroupContext:
        """The context of one group, made anew when its configuration changed.

        Raises:
            UnknownGroup: there is no such group, or it is disabled.
        """
        config = self.group_configs.active(group)
        key = (config.group_id, config.version)
        with self._lock:
            if key not in self._groups:
                self._groups[key] = GroupContext(self, config)
            return self._groups[key]

    def reach(
        self,
        group: GroupId,
        *,
        sign_in: GivenSignIn | None = None,
        config_file: Path | None = None,
    ) -> ReachedGroup:
        """A group as one call about files reaches it. As `reach_group`."""
        from kmflow_orchestration.context.reaching import reach_group

        return reach_group(self, group, sign_in=sign_in, config_file=config_file)

    def health(self, group: GroupId, caller: Caller) -> Health:
        """How a group's services are. Raises CallerRefused, UnknownGroup."""
        from kmflow_orchestration.operations.health import health_detail

        own = self.group(group)
        return health_detail(
            group,
            caller=caller,
            register=self.register,
            stores=own.brief_stores,
            clock=self.clock,
            kept=own.kept_health,
        )

    def get_engine(self, group: GroupId, metadata: Any = None) -> Any:
        """A group's SQLAlchemy engine: Databricks SQL, or SQLite while `USE_DATABRICKS` is off.

        On SQLite the tables of `metadata` are made. Raises as `GroupContext.open_engine`.
        """
        return self.group(group).open_engine(metadata).engine

    def session_scope(self, group: GroupId) -> AbstractContextManager[GroupSession]:
        """A session of a group, committed at the end, rolled back on an error, closed always."""
        return self.group(group).session_scope()

    def close(self) -> None:
        """Close everything that was opened; a second call does nothing."""
        for group in self._groups.values():
            group.close()
        self._groups.clear()
        super().close()
