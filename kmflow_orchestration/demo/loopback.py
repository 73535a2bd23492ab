"""A demo's own addresses, all on this machine, which no company's proxy can reach."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

_HOSTS = ("127.0.0.1", "localhost")
# Whoever reads them takes the first that is there.
_NAMES = ("no_proxy", "NO_PROXY")


@contextmanager
def past_proxies(environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Within it this process, and those it starts, go straight to addresses on this machine."""
    before = {name: environment.get(name) for name in _NAMES}
    for name in [name for name in _NAMES if before[name]] or _NAMES[-1:]:
        known = [one.strip() for one in (before[name] or "").split(",") if one.strip()]
        if "*" not in known:
            environment[name] = ",".join((*known, *(one for one in _HOSTS if one not in known)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
