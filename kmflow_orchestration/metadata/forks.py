"""Forked children open connections of their own: those they inherit are still their parent's."""

from __future__ import annotations

import os
import sys
from weakref import WeakSet

from sqlalchemy import Engine, Pool

_engines: WeakSet[Engine] = WeakSet()
# Never looked at: a pool that is thrown away closes its connections, and with a connection's end
# PostgreSQL ends the parent's session.
_inherited: list[Pool] = []


def let_go_in_forked_children(engine: Engine) -> None:
    """From now on a forked child begins with an empty pool, and touches none of these connections.

    A look at each connection when it is lent would come too late: the pool asks the server first
    whether it is still there, in the middle of what the parent and the server say to each other.
    """
    _engines.add(engine)


def _let_go() -> None:
    for engine in tuple(_engines):
        _inherited.append(engine.pool)
        # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
        engine.dispose(close=False)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)
