"""The context a command works with: this process's settings, the control database up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.credentials.process_checks import check_process


@contextmanager
def open_context(**overrides: Any) -> Iterator[Context]:
    """Open the composition root with a migrated control database; closed at the end.

    Raises:
        ConfigurationError: names every wrong setting, also of the process's own connection.
    """
    settings = load_settings(**overrides)
    check_process(settings)
    with Context(settings) as context:
        context.migrate()
        yield context
