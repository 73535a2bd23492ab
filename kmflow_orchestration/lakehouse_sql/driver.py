"""The driver of Databricks SQL: an optional part, imported at the first use (row C21)."""

from __future__ import annotations

import logging

from kmflow_orchestration.errors import MissingDependency

# Said at every connection, as its own retries are off; and at every attempt that we log ourselves.
_CHATTER = ("Legacy retry behavior is enabled", "ThriftBackend.attempt_request: ")


def require_driver() -> None:
    """Load the driver and its dialect.

    Raises:
        MissingDependency: one of them is not installed; the hint holds the install line.
    """
    try:
        import databricks.sql
        import databricks.sqlalchemy  # noqa: F401 - registers the dialect
    except ImportError as error:
        raise MissingDependency(
            "the driver of Databricks SQL is not installed",
            hint="pip install 'kmflow_orchestration[databricks-sql]'",
        ) from error
    _quieten()


def _quieten() -> None:
    """Drop what the driver logs at every connection and failed attempt."""
    logger = logging.getLogger("databricks.sql.backend.thrift_backend")
    if not any(isinstance(one, _WithoutChatter) for one in logger.filters):
        logger.addFilter(_WithoutChatter())


class _WithoutChatter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_CHATTER)
