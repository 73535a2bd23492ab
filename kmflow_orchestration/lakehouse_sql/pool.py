"""A group's connections: a queue pool whose exhaustion names the setting (row C14)."""

from __future__ import annotations

from sqlalchemy import QueuePool
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.pool import ConnectionPoolEntry

from kmflow_orchestration.errors import PoolExhausted


class GroupPool(QueuePool):
    """Waits for a free connection as long as `pool_timeout` says."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except NoneFree as error:
            raise PoolExhausted(
                f"all {self.size() + max(0, self._max_overflow)} connections are in use and none"
                f" became free within pool_timeout ({self._timeout:g} s)",
                hint="close sessions sooner, or raise sql_pool_size, sql_max_overflow or"
                " sql_pool_timeout_s of the group",
            ) from error
